"""Nodes of one machine: real processes, a directory each, one bus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tests.bus import acts
from tests.node import acts as node_acts
from tests.node.workers import Worker, Workers
from tests.wait import wait_until

__all__ = ["LEASE", "Backend", "Cluster", "Node"]

Result = TypeVar("Result")

LEASE = 0.4
"""Seconds: short, so that what takes a lease doesn't take long."""


@dataclass(frozen=True)
class Backend(ABC):
    """What the contract has to know of a backend: one bus, of this test alone."""

    directory: Path

    replays: ClassVar[bool]
    is_transactional: ClassVar[bool] = False

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return ``NOTHING_SHARED_BUS``."""

    @abstractmethod
    def small(self) -> dict[str, Any]:
        """Return the same for a bus that is soon full."""

    @abstractmethod
    def clogged(self, reader: Node) -> AbstractContextManager[None]:
        """Keep what is sent from getting on, for a while, by stopping a reader or the broker."""

    def databases(self) -> dict[str, dict[str, Any]]:
        """Return what workers need to know of databases, besides those in the settings."""
        return {}

    def others(self) -> dict[str, Any]:
        """Return the settings besides ``NOTHING_SHARED_BUS`` that the bus goes by."""
        return {}


@dataclass
class Node:
    """A node of a test: its directory and its workers, of which the first is asked."""

    directory: Path
    workers: list[Worker] = field(default_factory=list)

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        return self.workers[0].run(function, *args)

    def heard(self) -> list[Any]:
        """Return all payloads that its workers heard, each worker's in order."""
        return [
            payload for worker in self.workers for _, payload in worker.run(acts.what_was_heard)
        ]

    def gaps(self) -> list[Any]:
        return [gap for worker in self.workers for gap in worker.run(acts.gaps_signalled)]

    def agent(self) -> Worker:
        """Return the worker that leads, once one does."""
        return wait_until(
            lambda: next(
                (worker for worker in self.workers if worker.run(node_acts.is_agent)), None
            ),
            what="a worker leads",
        )

    def hears(self) -> None:
        """Wait for the lease."""
        wait_until(lambda: self.run(node_acts.is_leased), what="the node is leased")

    def kill(self) -> None:
        for worker in self.workers:
            worker.kill()

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()

    def go_on(self) -> None:
        for worker in self.workers:
            worker.go_on()

    def leave(self) -> None:
        for worker in self.workers:
            assert worker.leave() == 0


class Cluster:
    """Starts nodes on one bus."""

    def __init__(
        self,
        workers: Workers,
        base: Path,
        *,
        bus: Mapping[str, Any],
        databases: Mapping[str, Mapping[str, Any]] | None = None,
        others: Mapping[str, Any] | None = None,
    ) -> None:
        self._workers = workers
        self.base = base
        self.bus = bus
        self.databases = databases or {}
        self.others = others or {}

    def node(self, name: str, *topics: str, workers: int = 1, lease: float = LEASE) -> Node:
        """Start a node, or start it again, and wait until it hears the bus."""
        node = Node(self.base / name)
        for _ in range(workers):
            node.workers.append(self.worker(name, *topics, lease=lease))
        node.hears()
        return node

    def worker(self, name: str, *topics: str, lease: float = LEASE, **settings: Any) -> Worker:
        worker = self.start(name, lease=lease, **settings)
        worker.run(acts.join, *topics)
        return worker

    def start(self, name: str, *, lease: float = LEASE, **settings: Any) -> Worker:
        """Start a worker that has yet to join its node."""
        worker = self._workers.start(
            NOTHING_SHARED_NODE={
                "DIRECTORY": str(self.base / name), "NAME": name, "LEASE": lease, "SLOTS": 2**16
            },
            NOTHING_SHARED_BUS={**self.bus, **settings},
            **self.others,
        )  # fmt: skip
        for alias, database in self.databases.items():
            worker.run(acts.know_database, alias, dict(database))
        return worker
