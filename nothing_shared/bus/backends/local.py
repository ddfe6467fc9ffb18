"""The embedded bus: a ring in memory that the nodes of one machine share. No server."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nothing_shared.bus import changes, kick
from nothing_shared.bus.backends.base import BaseBus
from nothing_shared.bus.berth import Berth
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.errors import BusError, BusUnavailable
from nothing_shared.bus.message import Kind
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.watch import Watch
from nothing_shared.clock import NEVER
from nothing_shared.conf import option, parse
from nothing_shared.locks import LockTimeout
from nothing_shared.node import layout
from nothing_shared.node.directory import ensure, project_directory
from nothing_shared.node.process import Node

__all__ = ["LocalBus", "LocalBusOptions"]


@dataclass(frozen=True)
class LocalBusOptions:
    ring_bytes: int = option(2**20, "Size of the ring when it is made.", minimum=2**16)


class LocalBus(BaseBus):
    """Delivers at most once, in one order for all nodes, to the nodes of one machine.

    A reader that writers have overtaken is told so. A node restarted while the ring still holds what
    it missed takes up where it left off. The ring ends with the machine.
    """

    delivers = "at most once"
    replays = True
    is_transactional = False

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._options = parse("NOTHING_SHARED_BUS['OPTIONS']", settings.options, LocalBusOptions)
        named = settings.location
        place = Path(named).expanduser().absolute() if named else project_directory() / "bus"
        self.directory = place
        self._berths: dict[int, Berth] = {}
        self._mooring = threading.Lock()

    @property
    def max_packet(self) -> int:
        for berth in list(self._berths.values()):
            return berth.ring.max_packet
        return self._options.ring_bytes // 8

    def join(self, node: Node) -> None:
        try:
            self._berth(node)
            node.table.words[layout.MEMBER_UNTIL] = NEVER  # the kernel keeps this roster
        except BusError:
            raise
        except (LockTimeout, OSError) as failure:
            raise self._unavailable(failure) from failure

    def introduce(self, node: Node) -> None:
        """Do nothing: who sits on the ring's roster is there while it lives."""

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
            berth = self._berth(node)
            with berth.ring.lock.held():
                if not may_lap:
                    berth.refuse_to_lap()
                berth.append(kind, topic, payload, self.seal)
        except BusError:
            raise
        except (LockTimeout, OSError) as failure:
            raise self._unavailable(failure) from failure
        # A change was applied here before it was sent: its own node has nothing to hurry for.
        berth.wake_all(but=node.table.id if topic == changes.TOPIC else None)

    def leave(self, node: Node) -> None:
        berth = self._berths.pop(node.table.id, None)
        if berth is None:
            return
        try:
            with berth.ring.lock.held(2.0):
                berth.leave(self.seal)
        except LockTimeout:
            berth.vanish()
        berth.wake_all()
        kick.hush()

    async def listen(self, node: Node, receiver: Receiver) -> None:
        while not node.table.is_retired:
            await Watch(self._berth(node), node, receiver, self.seal).keep()

    def _berth(self, node: Node) -> Berth:
        """Return the node's place on the ring that stands in the directory now; take it if need be."""
        berth = self._berths.get(node.table.id)
        if berth is not None and berth.ring.is_current():
            return berth
        with self._mooring:
            berth = self._berths.get(node.table.id)
            if berth is None or not berth.ring.is_current():
                ensure(self.directory)
                berth = Berth(self.directory, node, self.seal, ring_bytes=self._options.ring_bytes)
                self._berths[node.table.id] = berth
                berth.wake_all()
        return berth

    def _unavailable(self, failure: Exception) -> BusUnavailable:
        return BusUnavailable(f"the ring in {self.directory} is out of reach: {failure}")
