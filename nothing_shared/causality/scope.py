"""A scope: what one unit of work (a request, a task) has read and written so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from nothing_shared.node import slots
from nothing_shared.node.change import Change
from nothing_shared.node.table import ChangeTable

if TYPE_CHECKING:
    from nothing_shared.causality.pending import Pending

__all__ = ["SCOPE", "Scope", "Used", "begin", "current", "scope"]

MAX_READ_SLOTS = 16
"""Rows coarsen to their tables past this many slots: each costs every later hit a look."""

MAX_SLOTS = 256
"""Past this many slots in all, an entry is fresh until anything at all changes."""

FOLD_AFTER = 64


class Used(Protocol):
    """An entry that was hit: what it depends on, as places in the change table, and its begin."""

    begun: int
    slots: tuple[int, ...]


class Scope:
    """Gathers reads until something that was computed from them is cached.

    A fill depends on all of them, and began when the first was sent: a view that loads objects and
    a template that caches a fragment of them are one unit of work.
    """

    __slots__ = (
        "_reads",
        "_reads_anything",
        "_used",
        "_used_indexes",
        "attachments",
        "begun",
        "careful",
        "changes",
        "is_implicit",
        "is_unsafe",
        "may_fill",
        "pending",
        "refuses_cached",
        "ticketed",
        "writes",
    )

    def __init__(self, *, is_implicit: bool = False) -> None:
        self.is_implicit = is_implicit
        """Whether nobody said where this unit of work begins and ends: a shell, a script, a test."""
        self.begun: int | None = None
        self.writes = 0
        """Writes so far; what was remembered before one is void after it."""
        self.careful = False
        """Whether a hit needs more than a look at the change table."""
        self.is_unsafe = False
        """Whether the request's method may write, so that every ``set`` is a change."""
        self.refuses_cached = False
        """Whether nothing cached may be served: the client's ticket can't be read."""
        self.may_fill = True
        """Whether what was read here may be kept: not on a snapshot of unknown age."""
        self.ticketed: frozenset[int] = frozenset()
        """Slots that the client's own ticket names: no stale value of them may be served."""
        self.changes: list[Change] = []
        """What was committed here, for the client's ticket."""
        self.pending: list[Pending] = []
        """Transactions that have written and not ended."""
        self.attachments: dict[str, Any] = {}
        """What upper floors keep with the unit of work."""
        self._reads: dict[tuple[str, str], set[str] | None] = {}
        self._reads_anything = False
        self._used: list[Used] = []
        self._used_indexes: set[int] = set()

    def begin(self, now: int) -> None:
        """Note that something is about to be read."""
        if self.begun is None or now < self.begun:
            self.begun = now

    def read_table(self, database: str, table: str) -> None:
        self._reads[database, table] = None

    def read_rows(self, database: str, table: str, keys: Iterable[str]) -> None:
        known = self._reads.setdefault((database, table), set())
        if known is not None:
            known.update(keys)
            if len(known) > 1000:
                self._reads[database, table] = None

    def read_anything(self) -> None:
        """Note a read that was not understood."""
        self._reads_anything = True

    def use(self, entry: Used) -> None:
        """Note a hit: what is computed from it depends on what it depends on, and is as old."""
        used = self._used
        used.append(entry)
        if len(used) > FOLD_AFTER:
            self._fold()

    def _fold(self) -> None:
        used, self._used = self._used, []
        for entry in used:
            self.begin(entry.begun)
            self._used_indexes.update(entry.slots)

    def knows(self, index: int) -> None:
        """Note that this scope itself has replaced a cached key.

        Where the unit of work may be as long as the process, it would else never fill again.
        """
        if self.is_implicit:
            self._fold()
            self._used_indexes.discard(index)

    def began(self, now: int) -> int:
        """Return when a fill that is stored now, or missed now, began."""
        self._fold()
        return now if self.begun is None else min(now, self.begun)

    def dependencies(self, table: ChangeTable, extra: Iterable[int] = ()) -> tuple[int, ...]:
        """Return the places in the change table of all that was read so far, and of ``extra`` slots."""
        self._fold()
        if self._reads_anything:
            return tuple({slots.ANY, *table.indexes(extra)})
        indexes = {*self._used_indexes, *table.indexes((*read_slots(self._reads), *extra))}
        if len(indexes) > MAX_SLOTS:
            return tuple({slots.ANY, *table.indexes(extra)})
        return tuple(indexes)

    def is_pending(self, indexes: Iterable[int]) -> bool:
        """Say whether an open transaction of this scope has touched any of these places."""
        return any(not pending.touched.isdisjoint(indexes) for pending in self.pending)


def read_slots(reads: Mapping[tuple[str, str], set[str] | None]) -> Iterator[int]:
    """Yield the slots of reads; rows coarsen to their tables when there are too many."""
    room = MAX_READ_SLOTS - len(reads)
    for (database, table), keys in sorted(reads.items(), key=lambda item: len(item[1] or ())):
        if keys is None or len(keys) > room:
            yield slots.table(database, table)
            continue
        room -= len(keys)
        yield slots.rows(database, table)
        for key in keys:
            yield slots.row(database, table, key)


SCOPE: ContextVar[Scope | None] = ContextVar("nothing_shared.scope", default=None)


def current() -> Scope:
    """Return the scope of this context, made at its first use."""
    found = SCOPE.get()
    if found is None:
        found = Scope(is_implicit=True)
        SCOPE.set(found)
    return found


def begin() -> Scope:
    """Start a new unit of work in this context."""
    fresh = Scope()
    SCOPE.set(fresh)
    return fresh


@contextmanager
def scope() -> Iterator[Scope]:
    """Run a block as a unit of work of its own: a task of a worker, a round of a loop.

    It must not use what was read outside it. A transaction that is open outside keeps its begin.
    """
    outer = SCOPE.get()
    inner = Scope()
    if outer is not None and outer.pending:
        inner.begun, inner.pending, inner.careful = outer.begun, outer.pending, True
    token = SCOPE.set(inner)
    try:
        yield inner
    finally:
        SCOPE.reset(token)
        if outer is not None:
            outer.changes.extend(inner.changes)
