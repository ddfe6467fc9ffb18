"""A node's place on the ring, from which its processes send."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nothing_shared.bus import kick, roster
from nothing_shared.bus.errors import BusFull, BusUnavailable
from nothing_shared.bus.message import Kind, Message
from nothing_shared.bus.ring import Ring
from nothing_shared.bus.roster import Roster
from nothing_shared.node import layout
from nothing_shared.node.process import Node

__all__ = ["Berth", "Seal"]

Seal = Callable[[Message], bytes]
"""Signs a message, or raises if it is unfit."""


class Berth:
    """One node on one ring, as one process has them: where the ring is replaced, a new one is taken."""

    def __init__(self, directory: Path, node: Node, seal: Seal, *, ring_bytes: int) -> None:
        self._node = node
        self.ring = Ring(directory, size=ring_bytes, extra=roster.SIZE)
        self.roster = Roster(self.ring.extra, directory / f"roster-{self.ring.id:x}.lock")
        with self.ring.lock.held(2.0):
            if node.table.is_retired or node.is_closed:
                # Nobody would ever be heard from this seat, and everybody would wait for it.
                raise BusUnavailable(f"this process has left the node in {node.directory}")
            self.cell, is_new = self.roster.take(node.table.id)
            if is_new:
                self.note(roster.CURSOR, self.ring.head)
                self.append(Kind.HELLO, "", None, seal)
        self._former: tuple[Roster, ...] = ()
        self.expected: set[int] = set()
        """Nodes that sat on a ring that was lost, and were not seen here yet."""

    def succeed(self, lost: Berth) -> None:
        """Take the place of a berth on a ring that was lost."""
        self._former = (lost.roster, *lost._former)
        with self.ring.lock.held(2.0):
            self.expected = self.awaited()
        lost.vanish()

    def awaited(self) -> set[int]:
        """Return the nodes that sit on a ring that was lost, and may write without a seat on this one.

        To be asked before the roster, so that who moves meanwhile is found here or there. The caller
        holds this ring's lock.
        """
        seats = {roster: roster.living() for roster in self._former}
        self._former = tuple(roster for roster, living in seats.items() if living)
        return {seat.origin for living in seats.values() for seat in living}

    def note(self, field: int, value: int) -> None:
        self.roster.note(self.cell, field, value)

    def append(
        self, kind: Kind, topic: str, payload: Any, seal: Seal, *, sent: int | None = None
    ) -> None:
        """Write a message; the caller holds the ring's lock."""
        words = self._node.table.words
        sent = self._node.table.clock() if sent is None else sent
        sequence = words[layout.SEQUENCE] + (kind is not Kind.HEARTBEAT)
        packet = seal(Message(self._node.table.id, sequence, sent, kind, topic, payload))
        # The number is spent before the packet stands: a sender killed in between is a gap to all.
        words[layout.SEQUENCE] = sequence
        self.note(roster.SEQUENCE, sequence)
        if kind is Kind.HEARTBEAT:
            self.note(roster.BEAT, sent)
        self.ring.append(self.packed(topic, packet))

    def packed(self, topic: str, packet: bytes) -> bytes:
        """Return what stands on the ring."""
        return packet

    def say_alive(self, seal: Seal, *, since: int) -> None:
        """Send a heartbeat that counts from when the sweep before it began, however long that took."""
        with self.ring.lock.held():
            self.append(Kind.HEARTBEAT, "", None, seal, sent=since)

    def refuse_to_lap(self) -> None:
        """Raise BusFull if a node that lives would soon be overtaken."""
        now = self._node.table.clock()
        for seat in self.roster.seats():
            is_heard = seat.beat and now - seat.beat < self._node.lease
            if is_heard and self.ring.room(seat.cursor) < self.ring.size // 4:
                raise BusFull(f"a node on the ring {self.ring.path} has yet to read most of it")

    def leave(self, seal: Seal) -> bool:
        """Say goodbye if no other process of the node lives; the caller holds the ring's lock.

        Says whether it did.
        """
        says_goodbye = self.roster.is_last(self.cell) and not self._node.intents.standing()
        if says_goodbye:
            self.append(Kind.BYE, "", None, seal)
            self._node.table.words[layout.LEASE_UNTIL] = 0  # who comes back has heard nothing yet
        self.roster.leave(self.cell, is_last=says_goodbye)
        return says_goodbye

    def vanish(self) -> None:
        """Leave without a word: if no other process of the node lives, it is a gap to all."""
        self.roster.leave(self.cell, is_last=False)

    def wake_all(self, *, but: int | None = None) -> None:
        seats = self.roster.seats()
        kick.kick(self.ear(seat.origin, seat.term) for seat in seats if seat.origin != but)

    def ear(self, origin: int, term: int) -> str:
        """Name the socket on which a node's agent of a term is woken."""
        return f"nothing_shared/{self.ring.id:x}/{origin:x}/{term}"
