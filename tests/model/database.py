"""The primary database: its whole history, transactions, and commits in flight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .changes import THINGS, THINGS_OF, Parts

if TYPE_CHECKING:
    from .model import Process

__all__ = ["Database", "Transaction"]


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction, or one autocommitted statement, of one session."""

    began: int
    snapshot: tuple[int, ...] | None
    drafts: dict[int, int] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    savepoints: list[tuple[dict[int, int], set[int]]] = field(default_factory=list)
    change_id: int = 0
    has_committed: bool = False


class InFlight(NamedTuple):
    incarnation: int
    client: Process | None


class Database:
    """Versions are numbers of their own; a version that is in no history was never committed."""

    def __init__(self) -> None:
        self.history = [[thing] for thing in range(THINGS)]
        self.times = [[0] for _ in range(THINGS)]
        self.place = dict.fromkeys(range(THINGS), 0)
        self.in_flight: dict[Transaction, InFlight] = {}
        self._next_version = THINGS

    def begin(self, now: int, *, is_snapshot: bool) -> Transaction:
        snapshot = tuple(len(versions) - 1 for versions in self.history) if is_snapshot else None
        return Transaction(now, snapshot)

    def read(self, item: str, transaction: Transaction | None) -> Parts:
        """See the latest commit, or the transaction's snapshot, and its own drafts above it."""
        return frozenset((thing, self._version(thing, transaction)) for thing in THINGS_OF[item])

    def _version(self, thing: int, transaction: Transaction | None) -> int:
        if transaction is None:
            return self.history[thing][-1]
        if thing in transaction.drafts:
            return transaction.drafts[thing]
        last = -1 if transaction.snapshot is None else transaction.snapshot[thing]
        return self.history[thing][last]

    def write(self, transaction: Transaction, things: Iterable[int]) -> None:
        for thing in things:
            transaction.drafts[thing] = self._next_version
            self._next_version += 1

    def send_commit(
        self, transaction: Transaction, incarnation: int, client: Process | None
    ) -> None:
        """From here on it may commit at any time, whether or not its client lives, or listens."""
        self.in_flight[transaction] = InFlight(incarnation, client)

    def settle(self, transaction: Transaction, now: int, *, commits: bool) -> None:
        """Commit, or roll back, what is in flight: one atomic step."""
        del self.in_flight[transaction]
        if not commits:
            return
        transaction.has_committed = True
        for thing, version in transaction.drafts.items():
            self.place[version] = len(self.history[thing])
            self.history[thing].append(version)
            self.times[thing].append(now)
