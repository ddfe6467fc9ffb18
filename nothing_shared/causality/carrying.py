"""Carry what was written from one unit of work to another: by cookie, by header, by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from nothing_shared.causality import scopes
from nothing_shared.causality.conf import causality_settings
from nothing_shared.causality.floors import Floors
from nothing_shared.causality.pending import settle_all, settle_unit
from nothing_shared.causality.positions import unknown
from nothing_shared.causality.tickets import BadTicket, Carried, Ticket, decode, encode
from nothing_shared.causality.unit import Scope
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process
from nothing_shared.node.conf import node_settings
from nothing_shared.signing import signer

__all__ = ["lifetime", "outgoing", "read", "seal", "take_in", "ticket", "use_ticket"]


def ticket() -> str:
    """Return what this unit of work, and whom it is done for, has written up to now, signed.

    Hand it to whoever shall see that: a task, another service, a client whose headers have gone.
    In a transaction that has written, the reader will use the primary, and nothing cached.
    """
    settle_all()
    settle_unit(scopes.current())
    return seal(outgoing(scopes.current()))


@contextmanager
def use_ticket(text: str | None) -> Iterator[Scope]:
    """Run a block as a unit of work that sees what the ticket says was written; also a decorator.

    ``text`` may be several, with commas between them. Without one, or with one that this site did
    not sign, the block reads from the primary, and with a bad one nothing from caches.
    """
    given = [part.strip() for part in (text or "").split(",") if part.strip()]
    with scopes.scope() as unit:
        received, is_unread = read(given)
        take_in(unit, received, is_unread=is_unread)
        unit.reader.may_use_replicas |= bool(given) and not is_unread
        unit.reader.may_use_replicas &= not is_unread
        yield unit


def read(texts: Iterable[str]) -> tuple[Ticket, bool]:
    """Return what is still news of these tickets, and whether one of them can't be read."""
    found, is_unread, sealer = [], False, signer("ticket")
    for text in texts:
        try:
            found.append(decode(text, sealer))
        except BadTicket:
            is_unread = True
    joined = found[0].joined(found[1:]) if found[1:] else found[0] if found else Ticket()
    return joined.since(time.time() - lifetime()), is_unread


def take_in(unit: Scope, received: Ticket, *, is_unread: bool) -> None:
    """Let the node know what the client brings, and the unit what it must not be older than.

    What a ticket said that can't be read, such as one that a newer node signed with a key of
    tomorrow, may have been anything.
    """
    unit.ticketed |= received.slots
    known = unit.reader.ticket
    unit.reader.ticket = known.joined([received]) if known else received
    unit.reader.floors.add(received.positions)
    refuses = bool(is_unread or received.overflowed)
    try:
        for change in received.changes():
            process.current().apply(change)
    except LockTimeout:
        refuses = True
    if is_unread:
        unit.reader.floors.add(unknown())
    if refuses:
        unit.refuse_cached()


def outgoing(unit: Scope, *, is_unread: bool = False) -> Ticket:
    """Return what the client of this unit of work is to carry from now on."""
    now, reader = int(time.time()), unit.reader
    carried = tuple(Carried(change, now) for change in reader.changes)
    floors = Floors(reader.floors.reached())
    for pending in unit.pending:  # it may commit, under an id that nobody knows yet
        floors.add(pending.written.reached(pending.position_unknown))
    # Nobody keeps the changes of a script or a shell, which has no end.
    is_anything = is_unread or bool(unit.pending) or (unit.is_implicit and unit.writes > 0)
    kept = reader.ticket
    made = Ticket(carried, now if is_anything else 0, floors.reached())
    known = Ticket(kept.carried, kept.overflowed)  # its positions are among the floors, or settled
    return made.joined([known]).bounded()


def seal(made: Ticket) -> str:
    return encode(made, signer("ticket"))


def lifetime() -> float:
    """Seconds after which every node has heard a change and serves nothing older, not even stale."""
    node, options = node_settings(), causality_settings()
    return 2 * node.lease + node.max_staleness + options.clock_skew
