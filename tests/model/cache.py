"""The cache: look an entry up, judge it by the change table, fill it, serve it stale."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from .changes import ANY, EPOCH, KEY_SLOTS, PAGES, READS, Parts, overlap
from .client import MAX_STALENESS
from .context import Context, Request, read
from .mutants import Mutant
from .table import Entry, Flight, Steps, acquire, is_unchanged

if TYPE_CHECKING:
    from .model import World

__all__ = ["Verdict", "get", "look_up", "put", "touch"]

FLIGHT_WAIT = 12


class Verdict(Enum):
    FRESH = "fresh"
    LAPSED = "unchanged, but the lease has lapsed"
    STALE = "changed, but young enough to be served stale"
    MISS = "of no use"


def get(world: World, request: Request, key: str) -> Steps[Parts]:
    """``get_or_set``: the cached value, or what the block makes, in a single flight."""
    if request.is_bypassing:
        return (yield from _block(world, request, key))
    asked = world.now
    found = yield from look_up(world, request, key)
    if found is not None:
        return found
    return (yield from _fly(world, request, key, asked))


def put(world: World, request: Request, key: str) -> Steps[None]:
    """``set`` after a ``get`` that missed: a fill that began at the miss."""
    asked = request.context.missed.pop(key, None)
    if asked is None or request.is_bypassing:
        return
    if world.broken is Mutant.PUT_IS_LATE:
        asked = request.context.begun = world.now
    yield from _fill(world, request, key, asked)


def look_up(world: World, request: Request, key: str) -> Steps[Parts | None]:
    """Judge what L1 holds, then what L2 holds; hand on what is good."""
    table, broken = request.table, world.broken
    own = request.thread.process.entries
    for entries in (own, table.entries):
        entry = entries.get(key)
        if entry is None or entry.incarnation != table.incarnation:
            continue
        if not request.may_take(entry.slots, broken):
            return None
        verdict = yield from _judge(world, request, entry)
        if verdict is Verdict.MISS:
            continue
        request.context.use(entry, world.now, broken)
        own[key] = entry
        if verdict is Verdict.STALE and world.choose(2):
            yield from _refresh(world, request, key)
        return entry.parts
    return None


def _judge(world: World, request: Request, entry: Entry) -> Steps[Verdict]:
    """The lease is read before the slots, and compared with the clock after them."""
    table, broken = request.table, world.broken
    lease, now = table.lease_until, world.now
    yield "judge: has read the lease"
    is_good = is_unchanged(world, table, entry.begun, entry.slots)
    known = tuple(table.known)
    yield "judge: has read the slots"
    if broken is Mutant.LEASE_AFTER_SLOTS:
        lease = table.lease_until
    if broken is not Mutant.CLOCK_BEFORE_SLOTS:
        now = world.now
    verdict = _verdict(world, request, entry, now, is_good=is_good, lease=lease)
    if verdict is not Verdict.MISS:
        world.oracle.judge(request, entry, verdict, known)
    return verdict


def _verdict(
    world: World, request: Request, entry: Entry, now: int, *, is_good: bool, lease: int
) -> Verdict:
    if is_good and (now < lease or world.broken is Mutant.NO_LEASE):
        return Verdict.FRESH
    options = world.options
    is_young = now < entry.begun + MAX_STALENESS or world.broken is Mutant.STALE_FOR_EVER
    if not is_young or _is_named(world, request, entry):
        return Verdict.MISS
    if is_good and options.serves_partitioned:
        return Verdict.LAPSED
    return Verdict.STALE if options.serves_stale else Verdict.MISS


def _is_named(world: World, request: Request, entry: Entry) -> bool:
    """Say whether this client, or this very request, changed what the entry depends on."""
    if world.broken is Mutant.STALE_TO_TICKET:
        return False
    own = [slot for change in request.changes for slot in change.slots]
    if world.broken is Mutant.STALE_TO_WRITER:
        own = []
    return overlap(request.named.union(own), entry.slots, world.broken)


def _refresh(world: World, request: Request, key: str) -> Steps[None]:
    """Refill in a context of its own: this one has used the stale value, and is as old as that."""
    context, request.context = request.context, Context()
    yield from _fly(world, request, key, world.now)
    request.context = context


def _fly(world: World, request: Request, key: str, asked: int) -> Steps[Parts]:
    """Let one fill; the others wait, look again like anybody, and at worst do it themselves."""
    flights, thread = request.table.flights, request.thread
    flight = flights.get(key)
    if flight is not None and flight.leader is not thread:
        deadline = world.now + FLIGHT_WAIT
        while flights.get(key) is flight and world.now < deadline:
            yield "flight: follows"
        if world.broken is Mutant.FOLLOWER_BELIEVES and flight.entry is not None:
            world.oracle.judge(request, flight.entry, Verdict.FRESH, (0, 0, 0))
            request.context.use(flight.entry, world.now, None)
            return flight.entry.parts
        found = yield from look_up(world, request, key)
        if found is not None:
            return found
    if key in flights:
        return (yield from _fill(world, request, key, asked)).parts
    flight = flights[key] = Flight(thread)
    flight.entry = yield from _fill(world, request, key, asked)
    if flights.get(key) is flight:
        del flights[key]
    return flight.entry.parts


def _fill(world: World, request: Request, key: str, asked: int) -> Steps[Entry]:
    """Make the value, and keep it if nothing that its context ever read has changed since."""
    context, broken = request.context, world.broken
    frame: set[int] = set()
    context.frames.append(frame)
    parts = yield from _block(world, request, key)
    context.frames.pop()
    since = context.dependencies(KEY_SLOTS[key], asked, broken)
    if broken is Mutant.BLOCK_ONLY:
        frame |= {EPOCH, KEY_SLOTS[key]}
        since = {slot: time for slot, time in since.items() if slot in frame}
    slots = frozenset(since) - {EPOCH}
    entry = Entry(request.table.incarnation, min(since.values()), slots, parts)
    if request.may_fill(slots, broken):
        entry = yield from _keep(world, request, key, entry, since)
    return entry


def _keep(
    world: World, request: Request, key: str, entry: Entry, since: dict[int, int]
) -> Steps[Entry]:
    """Date and store an entry. Under the table's lock no change comes between the look and the date:

    all later ones are newer than the entry. A deaf node knows too little for that.
    """
    table, thread, broken = request.table, request.thread, world.broken
    is_locked = broken is not Mutant.DATED_UNLOCKED
    if is_locked and not (yield from acquire(world, table.lock, thread)):
        return entry
    is_kept = all(table.changed_at[slot] < time for slot, time in since.items())
    is_kept = is_kept or broken is Mutant.LATE_BEGUN
    yield "fill: judged"
    if is_kept and (world.now < table.lease_until or broken is Mutant.DATED_DEAF):
        entry = replace(entry, begun=world.now)
    if is_locked:
        table.lock.owner = None
    if is_kept:
        yield "fill: may be stored"
        table.entries[key] = entry
        yield "fill: is in L2"
        thread.process.entries[key] = entry
    return entry


def touch(world: World, request: Request, key: str) -> Steps[None]:
    """Replace an entry by itself with other workers' copies forgotten, as ``touch`` and ``incr`` do."""
    table, thread, broken = request.table, request.thread, world.broken
    entry = table.entries.get(key)
    if entry is None or request.is_bypassing or not request.may_take(entry.slots, broken):
        return
    if (yield from _judge(world, request, entry)) in (Verdict.MISS, Verdict.STALE):
        return
    yield "touch: judged"
    if not (yield from acquire(world, table.lock, thread)):
        return
    is_good = is_unchanged(world, table, entry.begun, entry.slots)
    is_heard = world.now < table.lease_until
    table.changed_at[KEY_SLOTS[key]] = table.changed_at[ANY] = world.now
    world.now += 1
    table.lock.owner = None
    if (is_good or broken is Mutant.TOUCH_UNJUDGED) and (is_heard or broken is Mutant.TOUCH_DEAF):
        table.entries[key] = replace(entry, begun=world.now)


def _block(world: World, request: Request, key: str) -> Steps[Parts]:
    """Make a page of what its context has loaded already, of other pages, and of reads."""
    parts: set[tuple[int, int]] = set()
    for item in PAGES[key]:
        loaded = request.context.objects.get(item)
        if loaded is not None:
            parts |= loaded
        elif item in READS:
            parts |= yield from read(world, request, item)
        else:
            parts |= yield from get(world, request, item)
    return frozenset(parts)
