"""The change table of one node: what it holds, and the only door into it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from .bus import Lock, Message
from .changes import ANY, EPOCH, SLOTS, THINGS, Change, Parts, Slots, coarsened
from .database import Transaction
from .mutants import Mutant

if TYPE_CHECKING:
    from .model import Agent, Process, Thread, World

__all__ = [
    "NEVER",
    "Cell",
    "ChangeTable",
    "Entry",
    "Flight",
    "Steps",
    "acquire",
    "apply",
    "forget_everything",
    "is_unchanged",
    "publish",
]

T = TypeVar("T")
Steps = Generator[str, None, T]
"""A thread's doing: between two yields it is atomic, at each it can be stopped or killed."""

APPLIED = 16
"""Few, so that ids are forgotten in a schedule."""
NEVER = 1 << 62


@dataclass(eq=False, slots=True)
class Cell:
    """An intent. An abandoned one's writer has gone on and leaves the rest to the agent."""

    process: Process
    transaction: Transaction
    slots: set[int]
    since: int
    is_abandoned: bool = False
    was_answered: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    incarnation: int
    begun: int
    slots: Slots
    parts: Parts


@dataclass(eq=False, slots=True)
class Flight:
    leader: Thread
    entry: Entry | None = None


@dataclass(eq=False, slots=True)
class ChangeTable:
    """Lives in the node directory, with the cache that its workers share. ``known`` is the oracle's."""

    incarnation: int
    node: int
    changed_at: list[int]
    applied: list[int] = field(default_factory=lambda: [0] * APPLIED)
    lock: Lock = field(default_factory=Lock)
    lease_until: int = 0
    sequence: int = 0
    cursor: dict[int, int] | None = None
    seen: dict[int, int] = field(default_factory=dict)
    vanished: int = 0
    cells: list[Cell] = field(default_factory=list)
    agent: Agent | None = None
    term: int = 0
    beat: int = 0
    rounds: int = 0
    is_retired: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)
    flights: dict[str, Flight] = field(default_factory=dict)
    known: list[int] = field(default_factory=lambda: [0] * THINGS)

    @classmethod
    def create(cls, incarnation: int, node: int, now: int) -> ChangeTable:
        changed_at = [0] * SLOTS
        changed_at[EPOCH] = now
        return cls(incarnation, node, changed_at)

    def retire(self) -> None:
        """Make everything in it stale for good."""
        self.is_retired = True
        self.lease_until = 0
        self.changed_at[EPOCH] = NEVER


def acquire(world: World, lock: Lock, thread: Thread) -> Steps[bool]:
    """Wait for a lock, not for ever: its holder may be stopped."""
    deadline = world.now + world.options.lock_wait
    while lock.owner is not None:
        if world.now >= deadline:
            return False
        yield "waits for a lock"
    lock.owner = thread
    return True


def apply(world: World, table: ChangeTable, thread: Thread, change: Change) -> Steps[bool]:
    """Take a change in; False if the lock can't be had."""
    if not (yield from acquire(world, table.lock, thread)):
        return False
    place = change.id % APPLIED
    if table.applied[place] != change.id:
        if world.broken is Mutant.APPLIED_FIRST:
            table.applied[place] = change.id
        yield "apply: has the lock"
        now, committed = world.now, world.oracle.committed()
        yield "apply: has read the clock"
        for slot in (ANY, *change.slots):
            table.changed_at[slot] = max(table.changed_at[slot], now)
            yield "apply: has stored a slot"
        table.applied[place] = change.id
        world.oracle.has_applied(table, change.slots, committed)
    table.lock.owner = None
    return True


def forget_everything(world: World, table: ChangeTable, thread: Thread) -> Steps[bool]:
    """Start a new epoch."""
    return (yield from apply(world, table, thread, Change(world.next_id(), frozenset({EPOCH}))))


def is_unchanged(world: World, table: ChangeTable, begun: int, slots: Slots) -> bool:
    """Say whether none of the slots changed at ``begun`` or later."""
    changed_at = table.changed_at
    if world.broken is Mutant.EQUAL_TIMES:
        begun += 1
    if changed_at[EPOCH] >= begun and world.broken is not Mutant.IGNORED_EPOCH:
        return False
    return all(changed_at[slot] < begun for slot in slots)


def publish(
    world: World, table: ChangeTable, thread: Thread, change: Change | None, sent: int
) -> Steps[bool]:
    """Send a change, or a heartbeat; False if the bus refuses, or its lock can't be had."""
    bus = world.bus
    if bus.is_down or not (yield from acquire(world, bus.lock, thread)):
        return False
    yield "publish: has the lock"
    if change is not None:
        if world.choose(6) == 0:
            change = Change(change.id, coarsened(change.slots, world.broken))
        number = table.sequence + 1
        if world.broken is not Mutant.MESSAGE_BEFORE_NUMBER:
            table.sequence = number
        yield "publish: has spent the number"
    else:
        number = table.sequence
    if world.broken is Mutant.LATE_HEARTBEAT:
        sent = world.now
    lost = bus.deaf_to(table.node, len(world.nodes))
    bus.append(table.incarnation, Message(number, change, sent, lost))
    yield "publish: has written the message" if change else "publish: has written the heartbeat"
    table.sequence = max(table.sequence, number)
    bus.lock.owner = None
    return True
