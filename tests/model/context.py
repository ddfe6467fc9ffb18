"""What a request and its unit of work remember: reads, hits, writes, and what their client carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .changes import ANY, EPOCH, READS, Change, Parts, Slots, overlap
from .client import Carried
from .database import Transaction
from .mutants import Mutant
from .table import Cell, ChangeTable, Entry, Steps

if TYPE_CHECKING:
    from .client import Client
    from .model import Thread, World

__all__ = ["Context", "Request", "read"]


@dataclass(eq=False, slots=True)
class Context:
    """What one unit of work has read so far, and since when it is known to be true.

    What came from the database counts from the first statement; what came from the cache, from the
    begin of the entry that was hit. ``frames`` are the blocks that run now.
    """

    begun: int | None = None
    reads: set[int] = field(default_factory=set)
    hits: dict[int, int] = field(default_factory=dict)
    objects: dict[str, Parts] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    tainted: set[int] = field(default_factory=set)
    known: dict[int, int] = field(default_factory=dict)
    frames: list[set[int]] = field(default_factory=list)

    def began_by(self, time: int) -> None:
        self.begun = time if self.begun is None else min(self.begun, time)

    def read(self, slots: Slots) -> None:
        self.reads |= slots
        for frame in self.frames:
            frame.update(slots)

    def use(self, entry: Entry, now: int, broken: Mutant | None) -> None:
        """Note a hit: it hands on what it depends on, and since when."""
        if broken is Mutant.HIT_KEEPS_SLOTS:
            return
        begun = now if broken is Mutant.HIT_KEEPS_BEGUN else entry.begun
        for slot in entry.slots:
            self.hits[slot] = min(begun, self.hits.get(slot, begun))
        for frame in self.frames:
            frame.update(entry.slots)

    def dependencies(self, own: int, asked: int, broken: Mutant | None) -> dict[int, int]:
        """Return the slots on which a fill that was asked for then depends, and since when on each."""
        first = asked if self.begun is None else min(asked, self.begun)
        if broken is Mutant.BEGUN_AT_MISS:
            first = asked
        elif broken is Mutant.BEGUN_AFTER_READ:
            first = self.begun or asked
        since = dict(self.hits)
        for slot in self.reads:
            since[slot] = min(first, since.get(slot, first))
        since[own] = min(asked, since.get(own, asked))
        since[EPOCH] = min(since.values())
        for slot in since.keys() & self.known.keys():
            since[slot] = max(since[slot], self.known[slot])
        return since


@dataclass(eq=False, slots=True)
class Request:
    """One request on one worker. ``must_see`` (the oracle's): thing → oldest version allowed."""

    thread: Thread
    client: Client
    table: ChangeTable
    must_see: list[int]
    cookies: dict[int, tuple[Carried, ...]]
    context: Context = field(default_factory=Context)
    kept: list[Carried] = field(default_factory=list)
    named: set[int] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    transaction: Transaction | None = None
    cell: Cell | None = None
    is_bypassing: bool = False

    def may_take(self, slots: Slots, broken: Mutant | None) -> bool:
        """A transaction doesn't take what it has changed."""
        own = self.transaction.touched if self.transaction else set()
        return broken is Mutant.WRITER_TAKES or not _is_pending(own, slots, broken)

    def may_fill(self, slots: Slots, broken: Mutant | None) -> bool:
        """Nor does it fill what it changed, nor its context once that was rolled back."""
        if broken is Mutant.WRITER_FILLS:
            return True
        own = self.transaction.touched if self.transaction else set()
        return not _is_pending(own | self.context.tainted, slots, broken)


def _is_pending(written: Iterable[int], slots: Slots, broken: Mutant | None) -> bool:
    if broken is Mutant.ANY_NOT_PENDING:
        slots -= {ANY}
    return overlap(written, slots)


def read(world: World, request: Request, item: str) -> Steps[Parts]:
    """Read from the database; the clock is read before the statement is sent."""
    context, transaction = request.context, request.transaction
    is_late = world.broken is Mutant.BEGUN_AFTER_READ
    if not is_late:
        context.began_by(world.now)
    if transaction and transaction.snapshot and world.broken is not Mutant.NO_SNAPSHOT_RULE:
        context.began_by(transaction.began)
    context.read(READS[item])
    yield "read: sent"
    parts = world.database.read(item, transaction)
    yield "read: answered"
    if is_late:
        context.began_by(world.now)
    return parts
