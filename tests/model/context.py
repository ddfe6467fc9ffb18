"""What a request and its unit of work remember: reads, hits, writes, and what their client carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .changes import READS, Change, Parts, Slots, overlap
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
    """Everything that was read so far, and since when. ``frames`` are the blocks that run now."""

    begun: int | None = None
    slots: set[int] = field(default_factory=set)
    objects: dict[str, Parts] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    tainted: set[int] = field(default_factory=set)
    frames: list[set[int]] = field(default_factory=list)

    def began_by(self, time: int) -> None:
        self.begun = time if self.begun is None else min(self.begun, time)

    def depend_on(self, slots: Iterable[int]) -> None:
        self.slots.update(slots)
        for frame in self.frames:
            frame.update(slots)

    def use(self, entry: Entry, broken: Mutant | None) -> None:
        """A hit hands on what it depends on, and since when."""
        if broken is not Mutant.HIT_KEEPS_SLOTS:
            self.depend_on(entry.slots)
        if broken is not Mutant.HIT_KEEPS_BEGUN:
            self.began_by(entry.begun)


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
        own = self.transaction.touched if self.transaction else ()
        return broken is Mutant.WRITER_TAKES or not overlap(own, slots)

    def may_fill(self, slots: Slots, broken: Mutant | None) -> bool:
        """Nor does it fill what it changed, nor its context once that was rolled back."""
        if broken is Mutant.WRITER_FILLS:
            return True
        own = self.transaction.touched if self.transaction else set()
        return not overlap(own | self.context.tainted, slots)


def read(world: World, request: Request, item: str) -> Steps[Parts]:
    """Read from the database; the clock is read before the statement is sent."""
    context, transaction = request.context, request.transaction
    is_late = world.broken is Mutant.BEGUN_AFTER_READ
    if not is_late:
        context.began_by(world.now)
    if transaction and transaction.snapshot and world.broken is not Mutant.NO_SNAPSHOT_RULE:
        context.began_by(transaction.began)
    context.depend_on(READS[item])
    yield "read: sent"
    parts = world.database.read(item, transaction)
    yield "read: answered"
    if is_late:
        context.began_by(world.now)
    return parts
