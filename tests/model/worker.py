"""A worker's side: take the ticket, do what the program says, leave intents, announce changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import cache
from .changes import EPOCH, Change, Extent, Slots, coarsened, touched
from .client import TICKET_LIFE, Carried, Client
from .context import Context, Request, read
from .mutants import Mutant
from .table import Cell, ChangeTable, Steps, apply, publish

if TYPE_CHECKING:
    from .model import Thread, World

__all__ = ["Program", "serve"]

Program = list[tuple[Any, ...]]
"""What a request does: ("get", key), ("read", item), ("write", things, extent), ("begin", …) …"""


def serve(world: World, thread: Thread, client: Client, program: Program) -> Steps[None]:
    """Serve one request; its response reaches the client in the last step, or never."""
    # What the client has a right to see is settled when it sends the request.
    must_see, cookies = world.oracle.rights_of(client), dict(client.cookies)
    yield "request: sent"
    yield from _attach(world, thread)
    table = thread.process.table
    assert table is not None
    request = Request(thread, client, table, must_see, cookies)
    if world.broken is not Mutant.TICKET_AFTER_READ:
        yield from _take_ticket(world, request)
    for operation, *arguments in program:
        yield from _OPERATIONS[operation](world, request, *arguments)
    yield from _rollback(world, request)
    if world.broken is Mutant.TICKET_AFTER_READ:
        yield from _take_ticket(world, request)
    _respond(world, request)


def _attach(world: World, thread: Thread) -> Steps[None]:
    """Map the node's table, make it if need be, and be on the roster before anything is written."""
    process = thread.process
    node = world.nodes[process.node]
    if process.table is node.table is not None:
        return
    if node.table is None:
        table = ChangeTable.create(world.next_id(), process.node, world.now)
        yield "attach: has made a table"
        if node.table is None:
            node.table = table
            world.tables[table.incarnation] = table
            world.bus.roster.join(table.incarnation, world.now)
    process.table = node.table
    if world.broken is not Mutant.NO_REJOIN:
        world.bus.roster.join(node.table.incarnation, world.now)
    yield "attach: done"


def _take_ticket(world: World, request: Request) -> Steps[None]:
    """Apply what the client carries; where that is impossible, go round the cache."""
    if world.broken is Mutant.NO_TICKET:
        return
    now = world.wall_clock(request.table.node)
    life = TICKET_LIFE // 4 if world.broken is Mutant.SHORT_TICKET else TICKET_LIFE
    carried = [one for cookie in request.cookies.values() for one in cookie]
    request.kept = [one for one in dict.fromkeys(carried) if now - one.stamp <= life]
    for one in request.kept:
        request.named |= one.change.slots
        is_applied = yield from apply(world, request.table, request.thread, one.change)
        if not is_applied and world.broken is not Mutant.TICKET_LOST_TO_LOCK:
            request.is_bypassing = True


def _respond(world: World, request: Request) -> None:
    """Hand out a new cookie for what was changed, and delete exactly those that came in."""
    client = request.client
    if request.changes:
        stamp = world.wall_clock(request.table.node)
        new = tuple(Carried(_packed(world, change), stamp) for change in request.changes)
        if world.broken is Mutant.ONE_COOKIE:
            client.cookies.clear()
        for name in request.cookies:
            client.cookies.pop(name, None)
        client.cookies[world.next_id()] = (*request.kept, *new)
    world.oracle.has_responded(request)


def _packed(world: World, change: Change) -> Change:
    """Fit a change into a cookie: a copy under the same id may only cover more."""
    if world.broken is Mutant.NARROW_TICKET:
        return Change(change.id, frozenset(sorted(change.slots)[:-1]))
    if world.choose(4) == 0:
        return Change(change.id, coarsened(change.slots, world.broken))
    return change


def _read(world: World, request: Request, item: str) -> Steps[None]:
    request.context.objects[item] = yield from read(world, request, item)


def _get(world: World, request: Request, key: str) -> Steps[None]:
    request.context.objects[key] = yield from cache.get(world, request, key)


def _peek(world: World, request: Request, key: str) -> Steps[None]:
    """A plain ``get``: a miss is remembered for the ``set`` that may follow."""
    if request.is_bypassing:
        return
    asked = world.now
    found = yield from cache.look_up(world, request, key)
    if found is not None:
        request.context.objects[key] = found
    else:
        request.context.missed.setdefault(key, asked)


def _scope(world: World, request: Request) -> Steps[None]:
    """A new unit of work with reads of its own; an open transaction stays open."""
    request.context = Context()
    yield "scope: begun"


def _begin(world: World, request: Request, is_snapshot: bool) -> Steps[None]:
    if request.transaction is None:
        request.transaction = world.database.begin(world.now, is_snapshot=is_snapshot)
    yield "transaction: begun"


def _write(world: World, request: Request, things: tuple[int, ...], extent: Extent) -> Steps[None]:
    """Write in the open transaction, or autocommit; the intent stands before the statement is sent."""
    slots = touched(things, extent, world.broken)
    is_autocommit = request.transaction is None
    if request.transaction is None:
        request.transaction = world.database.begin(world.now, is_snapshot=False)
        request.transaction.change_id = world.next_id()
    elif not request.transaction.change_id:
        request.transaction.change_id = world.next_id()
    if world.broken not in (Mutant.NO_INTENT, Mutant.LATE_INTENT):
        yield from _intend(world, request, slots)
    request.transaction.touched |= slots
    world.database.write(request.transaction, things)
    yield "write: sent"
    if is_autocommit:
        yield from _commit(world, request)


def _intend(world: World, request: Request, slots: Slots) -> Steps[None]:
    assert request.transaction is not None
    if request.cell is None:
        process = request.thread.process
        request.cell = Cell(process, request.transaction, set(slots), world.now)
        request.table.cells.append(request.cell)
    elif world.broken is not Mutant.INTENT_OF_FIRST_STATEMENT:
        request.cell.slots |= slots
    yield "intent: recorded"


def _savepoint(world: World, request: Request) -> Steps[None]:
    if request.transaction is not None:
        transaction = request.transaction
        transaction.savepoints.append((dict(transaction.drafts), set(transaction.touched)))
    yield "savepoint: set"


def _restore(world: World, request: Request) -> Steps[None]:
    """Roll back to the savepoint; what was touched since stays touched: the context may hold it."""
    if request.transaction is not None and request.transaction.savepoints:
        drafts, slots = request.transaction.savepoints.pop()
        request.transaction.drafts = drafts
        if world.broken is Mutant.SAVEPOINT_FORGETS:
            request.transaction.touched = slots
    yield "savepoint: restored"


def _rollback(world: World, request: Request) -> Steps[None]:
    transaction = request.transaction
    if transaction is None:
        return
    yield "rollback: sent"
    if world.broken is not Mutant.ROLLBACK_FORGETS:
        request.context.tainted |= transaction.touched
    _end(request, is_announced=True)


def _commit(world: World, request: Request) -> Steps[None]:
    """Commit, apply, publish, clear the intent; what fails on the way is left to the agent."""
    transaction, broken = request.transaction, world.broken
    if transaction is None or not transaction.touched:
        _end(request, is_announced=True)
        return
    change = Change(transaction.change_id, frozenset(transaction.touched))
    if broken is Mutant.CHANGE_BEFORE_COMMIT:
        yield from _announce(world, request, change)
    process = request.thread.process
    is_lost, process.loses_answer = process.loses_answer, False
    client = None if is_lost else process
    world.database.send_commit(transaction, request.table.incarnation, client)
    yield "commit: sent"
    if not is_lost and not transaction.has_committed:
        world.database.settle(transaction, world.now, commits=True)
    yield "commit: answered"
    if is_lost and broken is Mutant.CLEARED_ON_ERROR:
        _end(request, is_announced=True)
        return
    if broken is Mutant.LATE_INTENT:
        yield from _intend(world, request, change.slots)
    request.changes.append(change)
    is_announced = broken is Mutant.CHANGE_BEFORE_COMMIT or (
        yield from _announce(world, request, change)
    )
    if not is_lost:
        world.oracle.has_committed(request, transaction)
    is_certain = not is_lost or broken is Mutant.ERROR_ANNOUNCED_ONCE
    _end(request, is_announced=is_announced and is_certain)
    yield "commit: done"


def _announce(world: World, request: Request, change: Change) -> Steps[bool]:
    table, thread, broken = request.table, request.thread, world.broken
    if broken is Mutant.CLEARED_BEFORE_APPLY:
        _clear(request)
    since = request.context.dependencies(EPOCH, world.now, None)
    known = {slot for slot in change.slots & since.keys() if table.changed_at[slot] < since[slot]}
    if not (yield from apply(world, table, thread, change)):
        request.is_bypassing = True
        return False
    if broken is Mutant.OWN_WRITE_KNOWN:
        request.context.known |= {slot: table.changed_at[slot] + 1 for slot in known}
    if broken is Mutant.CLEARED_BEFORE_PUBLISH:
        _clear(request)
    yield "change: applied"
    is_published = yield from publish(world, table, thread, change, 0)
    yield "change: published"
    return is_published or broken is Mutant.CLEARED_UNPUBLISHED


def _end(request: Request, *, is_announced: bool) -> None:
    if is_announced:
        _clear(request)
    elif request.cell is not None:
        request.cell.is_abandoned = True
    request.transaction = request.cell = None


def _clear(request: Request) -> None:
    if request.cell is not None and request.cell in request.table.cells:
        request.table.cells.remove(request.cell)


def _touch(world: World, request: Request, key: str) -> Steps[None]:
    yield from cache.touch(world, request, key)


def _put(world: World, request: Request, key: str) -> Steps[None]:
    yield from cache.put(world, request, key)


_OPERATIONS: dict[str, Any] = {
    "read": _read,
    "get": _get,
    "peek": _peek,
    "put": _put,
    "touch": _touch,
    "scope": _scope,
    "begin": _begin,
    "write": _write,
    "savepoint": _savepoint,
    "restore": _restore,
    "rollback": _rollback,
    "commit": _commit,
}
