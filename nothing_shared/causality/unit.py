"""A scope: what one unit of work (a request, a task) has read and written so far."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connections

from nothing_shared.causality.reader import Reader
from nothing_shared.causality.reads import Noted, Used, read_slots
from nothing_shared.causality.transactions import in_transaction, is_idle
from nothing_shared.clock import NEVER, boottime_ns
from nothing_shared.node import slots
from nothing_shared.node.change import Change
from nothing_shared.node.table import ChangeTable

if TYPE_CHECKING:
    from nothing_shared.causality.pending import Pending

__all__ = ["FOLD_AFTER", "MAX_SLOTS", "Scope"]

MAX_SLOTS = 256
"""Past this many slots in all, an entry is fresh until anything at all changes."""

FOLD_AFTER = 64


class Scope:
    """Gathers reads until something that was computed from them is cached.

    A fill depends on all of them: a view that loads objects and a template that caches a fragment of
    them are one unit of work. What came from a database counts from the unit's first statement (a
    transaction, or SQLite's half-read cursor, shows what was true then); what came from a cache
    counts from the begin of the entry that was hit.
    """

    __slots__ = (
        "_folding",
        "_known",
        "_reads",
        "_reads_anything",
        "_since",
        "_spoiled",
        "attachments",
        "begun",
        "careful",
        "changes",
        "earliest",
        "is_apart",
        "is_implicit",
        "is_new",
        "is_serving",
        "is_unsafe",
        "may_fill",
        "may_replace",
        "misses",
        "pending",
        "reader",
        "refuses_cached",
        "ticketed",
        "used",
        "writes",
    )

    def __init__(self, *, is_implicit: bool = False) -> None:
        self.is_implicit = is_implicit
        """Whether nobody said where this unit of work begins and ends: a shell, a script, a test."""
        self.is_new = self.is_serving = False
        """Whether a request has begun in it, or is being answered: those that its views make are parts."""
        self.is_apart = False
        """Whether what was read here is no dependency of what the unit of work around it makes."""
        self.begun: int | None = None
        """When the first statement was sent."""
        self.earliest = NEVER if is_implicit else boottime_ns()
        """What was read or used here was true then, or later."""
        self.writes = 0
        """Changes made so far."""
        self.may_replace = False
        """Whether a ``set`` from here on may be meant to replace, for all that is known: not to fill."""
        self.careful = False
        """Whether a hit needs more than a look at the change table."""
        self.is_unsafe = False
        """Whether the request's method may write, so that every ``set`` is a change."""
        self.refuses_cached = False
        """Whether nothing cached may be served: the client's ticket can't be read."""
        self.may_fill = True
        """Whether what was read here may be kept: not on a snapshot of unknown age."""
        self.ticketed: frozenset[int] = frozenset()
        """Slots that the client has changed, before or here: no stale value of them may be served."""
        self.changes: list[Change] = []
        """What was committed here, for the client's ticket."""
        self.pending: list[Pending] = []
        """Transactions that have written and not ended."""
        self.attachments: dict[str, Any] = {}
        """What upper floors keep with the unit of work."""
        self.misses: dict[tuple[str, str], Any] = {}
        """What upper floors have looked for in vain."""
        self.reader = Reader()
        self._reads: dict[tuple[str, str], set[str] | None] = {}
        self._reads_anything = False
        self.used: list[Used] = []
        """Entries hit and not folded in yet; whoever adds one folds past FOLD_AFTER."""
        self._since: dict[int, int] = {}
        self._known: dict[int, int] = {}
        self._spoiled: set[int] = set()
        self._folding = threading.Lock()

    def begin(self, at: int) -> None:
        """Note that a statement is about to be sent, and since when what it will show was true."""
        if self.begun is None or at < self.begun:
            self.begun = at

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
        self.used.append(entry)
        if len(self.used) > FOLD_AFTER:
            self.fold()

    def fold(self) -> None:
        """Note what the entries that were hit depend on, and let go of them."""
        with self._folding:  # subtasks of one request may run in two threads
            used = self.used[:]
            since = self._since
            for entry in used:
                begun = entry.begun
                for index in entry.slots if slots.ANY not in since else (slots.ANY,):
                    if since.get(index, begun) >= begun:
                        since[index] = begun
                if len(since) > MAX_SLOTS:
                    since = self._since = {slots.ANY: min(since.values())}
            # In place, and no more than was looked at: another thread may be adding to it.
            del self.used[: len(used)]

    def use_stale(self, entry: Used) -> None:
        """Note a hit of what may have changed since it was made."""
        self.use(entry)
        if not self.is_implicit:
            self.earliest = min(self.earliest, entry.begun)
        for index in (slots.ANY, *entry.slots):
            self._known.pop(index, None)

    def changed(self, change: Change, *, is_key: bool = False) -> None:
        """Note a change that is made here: its client's ticket is to carry it.

        With ``is_key`` it is of a cached key alone: what was read is as good as before. After one of
        everything nothing is, and what would then be a fill is refused. Not so where that could go on
        without an end, or a transaction holds fills back.
        """
        self.writes += 1
        is_harmless = is_key or slots.EPOCH in change.slots
        self.may_replace |= self.is_implicit or bool(self.pending) or not is_harmless
        self.reader.floors.add(change.positions)
        if not self.is_implicit:
            self.reader.changes.append(change)
            self.changes.append(change)
            self._hold_for_client(change.slots)

    def take_over(self, inner: Scope) -> None:
        """Note what a unit of work inside this one has written, and has read where this one ends."""
        self.writes += inner.writes
        self.may_replace |= inner.may_replace
        if inner.pending is self.pending:  # the transaction is this one's, too
            self.careful |= inner.careful
        self.may_fill &= inner.may_fill
        if not self.is_implicit:
            self.earliest = min(self.earliest, inner.earliest)
            if not inner.is_apart:
                self._take_over_reads(inner)
        self.reader.floors.add(inner.reader.floors.reached())
        self.spoil(inner._spoiled)
        if not self.is_implicit:
            self.changes.extend(inner.changes)
            self._hold_for_client(inner.ticketed)

    def _take_over_reads(self, inner: Scope) -> None:
        inner.fold()
        self.used.extend(Noted(begun, (index,)) for index, begun in inner._since.items())
        self.fold()
        for (database, table), keys in inner._reads.items():
            if keys is None:
                self.read_table(database, table)
            else:
                self.read_rows(database, table, keys)
        self._reads_anything |= inner._reads_anything
        if inner.begun is not None:
            self.begin(inner.begun)

    def _hold_for_client(self, touched: Iterable[int]) -> None:
        if slots.EPOCH not in self.ticketed:
            both = self.ticketed.union(touched)
            self.ticketed = both if len(both) <= MAX_SLOTS else frozenset((slots.EPOCH,))

    @contextmanager
    def knowing(self, table: ChangeTable) -> Iterator[dict[int, int] | None]:
        """Let this scope know what it changes in the block, where it would else never fill again.

        So does one of which nobody says where it ends: it may last as long as its process; and one that
        depends on anything at all. Gives the ``known`` of :meth:`ChangeTable.apply`.
        """
        self.fold()
        if not self.is_implicit and slots.ANY not in self._since:
            yield None
            return
        known = self.dependencies(table, begun=table.clock())
        yield known
        self._known = known

    def refuse_cached(self) -> None:
        """Have everything computed anew from here on: what is cached can't be judged."""
        self.refuses_cached = self.careful = True

    def knows(self, index: int, now: int) -> None:
        """Note that this scope itself has just replaced a cached key: it depends on it from now on."""
        self.fold()
        if index in self._since:
            self._since[index] = now

    def dependencies(
        self, table: ChangeTable, extra: Iterable[int] = (), *, begun: int
    ) -> dict[int, int]:
        """Return the places in the change table on which a fill depends, and since when on each.

        They are those of all that was read so far, of ``extra`` slots since ``begun``, and ``EPOCH``.
        """
        self.fold()
        since = dict(self._since)
        read = (slots.ANY,) if self._reads_anything else tuple(read_slots(self._reads))
        first = begun if self.begun is None else min(begun, self.begun)
        for index in table.indexes(read):
            since[index] = min(first, since.get(index, first))
        for index in table.indexes(extra):
            since[index] = min(begun, since.get(index, begun))
        oldest = min(first, *since.values()) if since else first
        if len(since) > MAX_SLOTS or slots.ANY in since:
            since = {slots.ANY: oldest, **dict.fromkeys(table.indexes(extra), begun)}
        since[slots.EPOCH] = oldest
        for index in since.keys() & self._known.keys():
            since[index] = max(since[index], self._known[index])
        return since

    def spoil(self, places: Iterable[int]) -> None:
        """Note what a rolled-back transaction of this scope has touched: it may hold what never was."""
        self._spoiled.update(places)
        if len(self._spoiled) > MAX_SLOTS:
            self._spoiled = {slots.EPOCH}

    def is_pending(self, indexes: Iterable[int]) -> bool:
        """Say whether this scope has touched any of these places without a commit."""
        touched = (self._spoiled, *(pending.touched for pending in self.pending))
        return any(slots.EPOCH in some or not some.isdisjoint(indexes) for some in touched)

    def joins(self, outer: Scope) -> None:
        """Take part in the open transactions of the unit of work around this one."""
        self.pending, self.careful = outer.pending, outer.careful
        opened = connections.all(initialized_only=True)
        if any(in_transaction(one) and is_idle(one) is None for one in opened):
            self.begun = outer.begun

    def serves(self, outer: Scope) -> None:
        """Work for the same client, from what is as old, as the unit of work around this one."""
        self.refuses_cached, self.careful = outer.refuses_cached, outer.careful
        self.is_unsafe, self.may_fill = outer.is_unsafe, outer.may_fill
        self.ticketed, self._spoiled = outer.ticketed, set(outer._spoiled)
        self.reader, self.misses = outer.reader, outer.misses
