"""What all buses have in common that a process sends to by writing to a ring on its machine."""

from __future__ import annotations

import threading
from abc import abstractmethod
from typing import Any, Generic, TypeVar

from nothing_shared.bus.backends.base import BaseBus
from nothing_shared.bus.berth import Berth
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.errors import BusError, BusUnavailable
from nothing_shared.bus.message import Kind
from nothing_shared.locks import LockTimeout
from nothing_shared.node.process import Node

__all__ = ["MooredBus"]

Moored = TypeVar("Moored", bound=Berth)

PATIENCE = 2.0
"""Seconds that a process waits for the ring's lock to say goodbye."""


class MooredBus(BaseBus, Generic[Moored]):
    """Keeps each node's berth: one for as long as its ring stands at its path, and then another."""

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._berths: dict[int, Moored] = {}
        self._mooring = threading.Lock()

    @abstractmethod
    def moor(self, node: Node) -> Moored:
        """Take a place for the node on the ring that stands there now."""

    @abstractmethod
    def wake(self, berth: Moored, node: Node, topic: str) -> None:
        """Have those look who are to read what was written."""

    @abstractmethod
    def unavailable(self, node: Node, failure: Exception) -> BusUnavailable:
        """Say which ring is out of reach."""

    def join(self, node: Node) -> None:
        try:
            self.berth(node)
        except BusError:
            raise
        except (LockTimeout, OSError) as failure:
            raise self.unavailable(node, failure) from failure

    def send(
        self,
        node: Node,
        topic: str,
        payload: Any,
        *,
        kind: Kind = Kind.MESSAGE,
        may_lap: bool = False,
    ) -> None:
        try:
            berth = self.berth(node)
            with berth.ring.lock.held():
                if not may_lap:
                    berth.refuse_to_lap()
                berth.append(kind, topic, payload, self.seal)
        except BusError:
            raise
        except (LockTimeout, OSError) as failure:
            raise self.unavailable(node, failure) from failure
        self.wake(berth, node, topic)

    def berth(self, node: Node) -> Moored:
        """Return the node's place on the ring that stands in the directory now; take it if need be."""
        berth = self._berths.get(node.table.id)
        if berth is not None and berth.ring.is_current():
            return berth
        with self._mooring:
            berth = lost = self._berths.get(node.table.id)
            if berth is None or not berth.ring.is_current():
                berth = self.moor(node)
                if lost is not None:
                    berth.succeed(lost)
                self._berths[node.table.id] = berth
        return berth

    def cast_off(self, node: Node) -> tuple[Moored, bool] | None:
        """Give up the node's place; return it, and whether a goodbye stands on the ring."""
        with self._mooring:  # whoever is taking the place has it by then, or finds the node closed
            berth = self._berths.pop(node.table.id, None)
        if berth is None:
            return None
        try:
            with berth.ring.lock.held(PATIENCE):
                return berth, berth.leave(self.seal)
        except LockTimeout:
            berth.vanish()
            return berth, False
