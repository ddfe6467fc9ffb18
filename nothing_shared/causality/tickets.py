"""Tickets: the changes that a client has just made, carried by the client itself."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from itsdangerous import BadSignature, Signer

from nothing_shared.causality.floors import EVERY_DATABASE, Floors
from nothing_shared.node.change import Change
from nothing_shared.node.positions import UNKNOWN, Position, Reached

__all__ = ["BadTicket", "Carried", "Ticket", "decode", "encode"]

VERSION = 2
HEAD = struct.Struct("<BIHH")
ENTRY = struct.Struct("<QIH")
REACHED = struct.Struct("<IIIQB")
MAX_SLOTS = 480
"""A ticket of so many slots takes about 2.7 kB; a browser keeps 4 kB."""


MAX_DATABASES = 48
"""Who has written more databases reads from primaries for as long as the ticket lives."""


class BadTicket(Exception):
    """Not signed by this site, cut short, or of another version."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A change, and when it was made, in seconds on the wall clock: to know when to drop it."""

    change: Change
    made: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """``overflowed`` is when a client's changes were too many to carry, 0 if they never were.

    Such a client is served nothing from caches until all those changes are old. (To carry a "forget
    everything" instead would let any client empty the caches of every node that it visits.)

    ``positions`` stay when the changes are old: they cost nothing once replicas are past them.
    """

    carried: tuple[Carried, ...] = ()
    overflowed: int = 0
    positions: tuple[Reached, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.carried or self.overflowed or self.positions)

    @property
    def slots(self) -> frozenset[int]:
        return frozenset(slot for carried in self.carried for slot in carried.change.slots)

    def joined(self, others: Iterable[Ticket]) -> Ticket:
        """Return one ticket of several; each change once, each position the latest."""
        everyone = (self, *others)
        by_id = {carried.change.id: carried for ticket in everyone for carried in ticket.carried}
        floors = Floors(reached for ticket in everyone for reached in ticket.positions)
        overflowed = max(ticket.overflowed for ticket in everyone)
        return Ticket(tuple(by_id.values()), overflowed, floors.reached())

    def since(self, oldest: float) -> Ticket:
        """Return the ticket without what was made before ``oldest``, but for its positions."""
        kept = tuple(carried for carried in self.carried if carried.made >= oldest)
        overflowed = self.overflowed if self.overflowed >= oldest else 0
        return Ticket(kept, overflowed, self.positions)

    def bounded(self) -> Ticket:
        """Return the ticket as it fits into a cookie: a client that changed too much is noted as such."""
        ticket = self
        if sum(6 + len(reached.tables) for reached in self.positions) > MAX_SLOTS // 4:
            whole = (Reached(database, position) for database, position, _ in self.positions)
            ticket = replace(self, positions=Floors(whole).reached())
        if len(ticket.positions) > MAX_DATABASES:
            ticket = replace(ticket, positions=(Reached(EVERY_DATABASE, UNKNOWN),))
        words = sum(3 + len(carried.change.slots) for carried in ticket.carried)
        if words + sum(6 + len(reached.tables) for reached in ticket.positions) <= MAX_SLOTS:
            return ticket
        latest = max(carried.made for carried in ticket.carried)
        return Ticket(overflowed=max(latest, ticket.overflowed), positions=ticket.positions)

    def changes(self) -> Iterator[Change]:
        """Yield what was changed, each with all positions: they are what these tables had reached."""
        for carried in self.carried:
            yield replace(carried.change, positions=self.positions)


def encode(ticket: Ticket, signer: Signer) -> str:
    head = HEAD.pack(VERSION, ticket.overflowed, len(ticket.carried), len(ticket.positions))
    parts = [head]
    for carried in ticket.carried:
        slots = carried.change.slots
        parts.append(ENTRY.pack(carried.change.id, carried.made, len(slots)))
        parts.append(struct.pack(f"<{len(slots)}I", *slots))
    for database, position, tables in ticket.positions:
        parts.append(REACHED.pack(database, *position, len(tables)))
        parts.append(struct.pack(f"<{len(tables)}I", *tables))
    return signer.sign(urlsafe_b64encode(b"".join(parts)).rstrip(b"=")).decode()


@lru_cache(maxsize=512)
def decode(text: str, signer: Signer) -> Ticket:
    """Raises BadTicket; nothing of an unsigned ticket is parsed.

    A client sends its ticket with each request, so the last ones are remembered.
    """
    try:
        body = signer.unsign(text)
        data = urlsafe_b64decode(body + b"=" * (-len(body) % 4))
        if data[:1] != bytes((VERSION,)):
            raise BadTicket(f"a ticket of another version than {VERSION}")
        _, overflowed, changes, positions = HEAD.unpack_from(data)
        reading = _Reading(data, HEAD.size)
        carried = tuple(reading.carried() for _ in range(changes))
        return Ticket(carried, overflowed, tuple(reading.reached() for _ in range(positions)))
    except (BadSignature, ValueError, struct.error) as failure:
        raise BadTicket(str(failure)) from failure


class _Reading:
    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def carried(self) -> Carried:
        id, made, count = self._take(ENTRY)
        return Carried(Change(self._words(count), id), made)

    def reached(self) -> Reached:
        database, system, timeline, lsn, count = self._take(REACHED)
        return Reached(database, Position(system, timeline, lsn), self._words(count))

    def _take(self, layout: struct.Struct) -> tuple[int, ...]:
        found = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return found

    def _words(self, count: int) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{count}I", self._data, self._at)
        self._at += 4 * count
        return found
