"""The agent: answers for writers, beats, listens, looks at the roster, extends the lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .bus import Message
from .changes import Change
from .mutants import Mutant
from .table import Cell, ChangeTable, Steps, apply, forget_everything, publish

if TYPE_CHECKING:
    from .model import Agent, World

__all__ = ["LEASE", "PATIENCE", "agent"]

LEASE = 40
PATIENCE = LEASE // 2
"""How old the intent of a living writer may get before the agent answers for it."""


@dataclass(eq=False, slots=True)
class Ears:
    """What one agent remembers of what it heard; gone with it."""

    heard: dict[int, int] = field(default_factory=dict)
    members: dict[int, int] = field(default_factory=dict)
    looked: int = 0


def agent(world: World, thread: Agent) -> Steps[None]:
    """Do one round after another, until the term is over or the table has no more use."""
    table, ears = thread.table, Ears()
    if table.cursor is None or not world.options.has_durable_cursor:
        yield from _subscribe(world, thread)
    while table.term == thread.term:
        yield "agent: rests"
        table.beat = world.now
        if world.nodes[table.node].table is not table:
            if world.broken is not Mutant.RETIRED_LEASE:
                table.retire()
            if world.broken is Mutant.LEFT_WHILE_WRITING:
                world.bus.roster.strike(table.incarnation)
                return
            if not table.cells and not world.is_attached(table):
                world.bus.roster.say_goodbye(table.incarnation, table.sequence)
                return
        yield from _round(world, thread, ears)
        table.rounds += 1


def _subscribe(world: World, thread: Agent) -> Steps[None]:
    """Listen first, forget everything then, and only then store from where to listen."""
    table, logs = thread.table, world.bus.logs
    if world.broken is Mutant.SUBSCRIBED_LATE:
        yield from forget_everything(world, table, thread)
        yield "agent: listens"
    cursor = {sender: len(log.messages) for sender, log in logs.items()}
    seen = dict.fromkeys(world.bus.roster.members, 0)
    seen |= {sender: log.messages[-1].sequence for sender, log in logs.items() if log.messages}
    vanished = len(world.bus.roster.vanished)
    if world.broken is Mutant.CURSOR_BEFORE_WIPE:
        table.cursor, table.seen, table.vanished = cursor, seen, vanished
    yield "agent: listens"
    if world.broken not in (Mutant.NO_WIPE_AT_TAKEOVER, Mutant.SUBSCRIBED_LATE):
        while not (yield from forget_everything(world, table, thread)):
            yield "agent: can't forget yet"
    table.cursor, table.seen, table.vanished = cursor, seen, vanished


def _round(world: World, thread: Agent, ears: Ears) -> Steps[None]:
    """A heartbeat says: what was committed before ``sent`` has been told, or is younger than PATIENCE."""
    table, sent = thread.table, world.now
    yield "agent: begins a round"
    has_answered = yield from _answer_for_writers(world, thread, sent)
    if not has_answered and world.broken is not Mutant.HEARTBEAT_REGARDLESS:
        return
    if not (yield from publish(world, table, thread, None, sent)):
        return
    if world.broken is Mutant.RETIRED_LEASE and world.nodes[table.node].table is not table:
        table.lease_until = world.now + LEASE
        return
    if not (yield from _listen(world, thread, ears)):
        return
    if not (yield from _look_at_roster(world, thread, ears)):
        return
    yield from _extend_lease(world, table, ears)


def _answer_for_writers(world: World, thread: Agent, now: int) -> Steps[bool]:
    """Apply and publish what dead and stalled writers may have committed; False if that failed."""
    table = thread.table
    for cell in list(table.cells):
        is_orphan = cell.is_abandoned or not cell.process.is_alive
        if not is_orphan and (
            now - cell.since < PATIENCE
            or world.broken is Mutant.STALLED_IGNORED
            or (world.broken is Mutant.STALLED_ONCE and cell.was_answered)
        ):
            continue
        is_over = is_orphan and not _may_commit(world, cell)
        yield "agent: has looked the session up"
        if not (yield from _answer(world, thread, cell, is_orphan=is_orphan)):
            return False
        if world.broken is Mutant.SESSION_CHECKED_LATE:
            is_over = is_orphan and not _may_commit(world, cell)
        if is_over and cell in table.cells:
            table.cells.remove(cell)
    return True


def _may_commit(world: World, cell: Cell) -> bool:
    if world.broken is Mutant.SESSION_IGNORED:
        return False
    return cell.transaction in world.database.in_flight


def _answer(world: World, thread: Agent, cell: Cell, *, is_orphan: bool) -> Steps[bool]:
    table, id = thread.table, world.next_id()
    if world.broken is Mutant.OWN_ID_REUSED:
        id = cell.transaction.change_id
    change = Change(id, frozenset(cell.slots))
    if not (yield from apply(world, table, thread, change)):
        return False
    cell.was_answered = True
    if is_orphan and world.broken is Mutant.ORPHAN_UNPUBLISHED:
        return True
    yield "agent: has applied an intent"
    return (yield from publish(world, table, thread, change, 0))


def _listen(world: World, thread: Agent, ears: Ears) -> Steps[bool]:
    """Take messages, of each sender in order; False if one could not be taken."""
    table = thread.table
    assert table.cursor is not None
    senders = list(world.bus.logs)
    for _ in range(len(senders)):
        sender = senders.pop(world.choose(len(senders)))
        log = world.bus.logs[sender]
        while (at := table.cursor.get(sender, 0)) < len(log.messages):
            if at < log.oldest:
                if not (yield from _overtaken(world, thread, sender)):
                    return False
                continue
            message = log.messages[at]
            if world.broken is Mutant.CURSOR_FIRST:
                table.cursor[sender] = at + 1
            if table.node not in message.lost and not (
                yield from _hear(world, thread, ears, sender, message)
            ):
                return False
            table.cursor[sender] = at + 1
            if not world.is_at_rest and world.choose(10) == 0:
                break
    return True


def _overtaken(world: World, thread: Agent, sender: int) -> Steps[bool]:
    table, log = thread.table, world.bus.logs[sender]
    assert table.cursor is not None
    oldest = log.oldest
    if world.broken is Mutant.IGNORED_LAP:
        table.seen[sender] = log.messages[oldest - 1].sequence
    elif not (yield from forget_everything(world, table, thread)):
        return False
    table.cursor[sender] = oldest
    return True


def _hear(world: World, thread: Agent, ears: Ears, sender: int, message: Message) -> Steps[bool]:
    table, change = thread.table, message.change
    yield "agent: has read a message"
    seen = table.seen.get(sender)
    if change is not None and seen is not None and message.sequence <= seen:
        return True
    if world.broken is Mutant.CURSOR_FIRST:
        table.seen[sender] = max(seen or 0, message.sequence)
    if _is_gap(world, seen, message) and not (yield from forget_everything(world, table, thread)):
        return False
    if change is not None:
        if not (yield from apply(world, table, thread, change)):
            return False
    else:
        sent = world.now if world.broken is Mutant.LEASE_FROM_ARRIVAL else message.sent
        ears.heard[sender] = max(sent, ears.heard.get(sender, 0))
    yield "agent: has taken a message"
    table.seen[sender] = max(seen or 0, message.sequence)
    return True


def _is_gap(world: World, seen: int | None, message: Message) -> bool:
    if seen is None:
        return world.broken is not Mutant.IGNORED_STRANGER
    if message.change is None:
        return message.sequence > seen and world.broken is not Mutant.IGNORED_TAIL
    return message.sequence > seen + 1 and world.broken is not Mutant.IGNORED_GAP


def _look_at_roster(world: World, thread: Agent, ears: Ears) -> Steps[bool]:
    """See who must be heard, and whether anybody left whose last words were missed."""
    table, roster = thread.table, world.bus.roster
    if world.nodes[table.node].sees_no_roster:
        return True
    looked = world.now
    yield "agent: looks at the roster"
    world.strike_the_dead()
    members, vanished, farewells = (
        dict(roster.members),
        len(roster.vanished),
        dict(roster.farewells),
    )
    if _is_missed(world, table, roster.vanished[table.vanished :], farewells):
        if not (yield from forget_everything(world, table, thread)):
            return False
        yield "agent: has forgotten for the roster"
    for sender, last in farewells.items():
        table.seen[sender] = max(last, table.seen.get(sender, 0))
    table.vanished = vanished
    ears.members, ears.looked = members, looked
    return True


def _is_missed(
    world: World, table: ChangeTable, vanished: list[int], farewells: dict[int, int]
) -> bool:
    if world.broken is Mutant.IGNORED_VANISHED:
        vanished = []
    if world.broken is Mutant.VANISHED_KNOWN_ONLY:
        vanished = [sender for sender in vanished if sender in table.seen]
    if world.broken is Mutant.IGNORED_GOODBYE:
        farewells = {}
    return bool(vanished) or any(
        table.seen.get(sender, 0) < last for sender, last in farewells.items()
    )


def _extend_lease(world: World, table: ChangeTable, ears: Ears) -> Steps[None]:
    """Count from the oldest of: own echo, each member's heartbeat, the look itself."""
    heard = ears.heard
    beats = [max(joined, heard.get(sender, 0)) for sender, joined in ears.members.items()]
    if world.broken is Mutant.LEASE_WITHOUT_PEERS:
        beats = []
    if world.broken is not Mutant.LEASE_WITHOUT_LOOK:
        beats.append(ears.looked)
    until = LEASE + min([heard.get(table.incarnation, 0), *beats])
    yield "agent: has computed the lease"
    if not table.is_retired:
        table.lease_until = max(table.lease_until, until)
