"""Tickets: the changes that a client has just made, carried by the client itself."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer

from nothing_shared.node.change import Change

__all__ = ["BadTicket", "Carried", "Ticket", "decode", "encode"]

VERSION = 1
HEAD = struct.Struct("<BI")
ENTRY = struct.Struct("<QIH")
MAX_SLOTS = 480
"""A ticket of so many slots takes about 2.7 kB; a browser keeps 4 kB."""


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
    """

    carried: tuple[Carried, ...] = ()
    overflowed: int = 0

    def __bool__(self) -> bool:
        return bool(self.carried or self.overflowed)

    @property
    def slots(self) -> frozenset[int]:
        return frozenset(slot for carried in self.carried for slot in carried.change.slots)

    def joined(self, others: Iterable[Ticket]) -> Ticket:
        """Return one ticket of several; each change once."""
        everyone = (self, *others)
        by_id = {carried.change.id: carried for ticket in everyone for carried in ticket.carried}
        return Ticket(tuple(by_id.values()), max(ticket.overflowed for ticket in everyone))

    def since(self, oldest: float) -> Ticket:
        """Return the ticket without what was made before ``oldest``."""
        kept = tuple(carried for carried in self.carried if carried.made >= oldest)
        return Ticket(kept, self.overflowed if self.overflowed >= oldest else 0)

    def bounded(self) -> Ticket:
        """Return the ticket as it fits into a cookie: a client that changed too much is noted as such."""
        if sum(3 + len(carried.change.slots) for carried in self.carried) <= MAX_SLOTS:
            return self
        latest = max(carried.made for carried in self.carried)
        return Ticket(overflowed=max(latest, self.overflowed))


def encode(ticket: Ticket, signer: Signer) -> str:
    parts = [HEAD.pack(VERSION, ticket.overflowed)]
    for carried in ticket.carried:
        slots = carried.change.slots
        parts.append(ENTRY.pack(carried.change.id, carried.made, len(slots)))
        parts.append(struct.pack(f"<{len(slots)}I", *slots))
    return signer.sign(urlsafe_b64encode(b"".join(parts)).rstrip(b"=")).decode()


def decode(text: str, signer: Signer) -> Ticket:
    """Raises BadTicket; nothing of an unsigned ticket is parsed."""
    try:
        body = signer.unsign(text)
        data = urlsafe_b64decode(body + b"=" * (-len(body) % 4))
        version, overflowed = HEAD.unpack_from(data)
        if version != VERSION:
            raise BadTicket(f"a ticket of version {version}; known: {VERSION}")
        return Ticket(tuple(_entries(data, HEAD.size)), overflowed)
    except (BadSignature, ValueError, struct.error) as failure:
        raise BadTicket(str(failure)) from failure


def _entries(data: bytes, at: int) -> Iterable[Carried]:
    while at < len(data):
        id, made, count = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        slots = struct.unpack_from(f"<{count}I", data, at)
        at += 4 * count
        yield Carried(Change(slots, id), made)
