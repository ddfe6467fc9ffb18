"""The embedded bus: a ring in memory that the nodes of one machine share. No server."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nothing_shared.bus import changes, kick, roster
from nothing_shared.bus.backends.base import BaseBus
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.errors import BusFull, BusUnavailable, MessageTooLarge
from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.message import Kind, Message, seal
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.ring import Lapped, Ring
from nothing_shared.bus.roster import Roster
from nothing_shared.clock import SECOND
from nothing_shared.conf import option, parse
from nothing_shared.locks import LockTimeout
from nothing_shared.node import layout
from nothing_shared.node.directory import ensure, project_directory
from nothing_shared.node.process import Node

__all__ = ["LocalBus", "LocalBusOptions"]


@dataclass(frozen=True)
class LocalBusOptions:
    ring_bytes: int = option(2**20, "Size of the ring when it is made.", minimum=2**16)


class LocalBus(BaseBus):
    """Delivers at most once, in one order for all nodes, to the nodes of one machine.

    A reader that writers have overtaken is told so. A node restarted while the ring still holds what
    it missed takes up where it left off. The ring ends with the machine.
    """

    delivers = "at most once"
    replays = True
    is_transactional = False

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._options = parse("NOTHING_SHARED_BUS['OPTIONS']", settings.options, LocalBusOptions)
        named = settings.location
        self.directory = named.expanduser().absolute() if named else project_directory() / "bus"
        self._cells: dict[int, int] = {}

    def _open(self) -> None:
        ensure(self.directory)
        self.ring = Ring(self.directory, size=self._options.ring_bytes, extra=roster.SIZE)
        path = self.directory / f"roster-{self.ring.id:x}.lock"
        self.roster = Roster(self.ring.extra, path)

    @property
    def max_packet(self) -> int:
        return self.ring.max_packet

    def join(self, node: Node) -> None:
        if not hasattr(self, "ring"):
            self._open()
        with self.ring.lock.held(2.0):
            cell, is_new = self.roster.take(node.table.id)
            self._cells[node.table.id] = cell
            if is_new:
                self.roster.note(cell, roster.CURSOR, self.ring.head)
                self._append(node, Kind.HELLO, "", None)
        self._wake_all()

    def _rejoin_if_replaced(self, node: Node) -> None:
        if not self.ring.is_current():
            self._open()
            self.join(node)

    def send(
        self, node: Node, topic: str, payload: Any, *, kind: Kind = Kind.MESSAGE, may_lap: bool = False
    ) -> None:
        try:
            self._rejoin_if_replaced(node)
            with self.ring.lock.held():
                if not may_lap:
                    self._refuse_to_lap(node)
                self._append(node, kind, topic, payload)
        except LockTimeout as failure:
            raise BusUnavailable(f"the ring in {self.directory} is held: {failure}") from failure
        if kind is not Kind.HEARTBEAT:
            # A change was applied here before it was sent: its own node has nothing to hurry for.
            self._wake_all(but=node.table.id if topic == changes.TOPIC else None)

    def _wake_all(self, *, but: int | None = None) -> None:
        seats = self.roster.seats()
        kick.kick(self._ear(seat.origin, seat.term) for seat in seats if seat.origin != but)

    def _append(self, node: Node, kind: Kind, topic: str, payload: Any) -> None:
        words, now = node.table.words, node.table.clock()
        sequence = words[layout.SEQUENCE] + 1
        packet = seal(Message(node.table.id, sequence, now, kind, topic, payload), self.signer)
        if len(packet) > self.max_packet:
            raise MessageTooLarge(
                f"a message of {len(packet)} bytes on topic {topic!r}; {self.max_packet} are carried"
            )
        # The number is spent before the packet stands: a sender killed in between is a gap to all.
        words[layout.SEQUENCE] = sequence
        cell = self._cells[node.table.id]
        self.roster.note(cell, roster.SEQUENCE, sequence)
        if kind is Kind.HEARTBEAT:
            self.roster.note(cell, roster.BEAT, now)
        self.ring.append(packet)

    def _refuse_to_lap(self, node: Node) -> None:
        now = node.table.clock()
        for seat in self.roster.seats():
            is_heard = seat.beat and now - seat.beat < node.lease
            if is_heard and self.ring.room(seat.cursor) < self.ring.size // 4:
                raise BusFull(f"a node on the ring in {self.directory} has yet to read most of it")

    def _ear(self, origin: int, term: int) -> str:
        return f"nothing_shared/{self.ring.id:x}/{origin:x}/{term}"

    def leave(self, node: Node) -> None:
        cell = self._cells.get(node.table.id)
        if cell is None:
            return
        with contextlib.suppress(LockTimeout), self.ring.lock.held():
            says_goodbye = self.roster.is_last(cell) and not node.intents.standing()
            if says_goodbye:
                self._append(node, Kind.BYE, "", None)
            self.roster.leave(cell, is_last=says_goodbye)
            del self._cells[node.table.id]

    async def listen(self, node: Node, receiver: Receiver) -> None:
        self._rejoin_if_replaced(node)
        term = node.table.words[layout.AGENT_TERM]
        self.roster.note(self._cells[node.table.id], roster.TERM, term)
        woken = asyncio.Event()
        with kick.ear(self._ear(node.table.id, term), woken):
            self._subscribe(node, receiver)
            while True:
                self._beat(node, receiver)
                await self._drain_for(node.lease // 8, node, receiver, woken)
                if not self.ring.is_current():
                    raise BusUnavailable(f"the ring in {self.directory} was deleted")

    def _subscribe(self, node: Node, receiver: Receiver) -> None:
        words = node.table.words
        if not words[layout.CURSOR] or words[layout.HISTORY] != self.ring.id:
            self._start_over(node, receiver)

    def _start_over(self, node: Node, receiver: Receiver) -> None:
        """Read on from the head, with everything forgotten.

        Everything is forgotten after the head was read, so that what is sent in between is heard;
        and before it is stored, so that an agent killed in between leaves its heir to do this again.
        """
        with self.ring.lock.held(2.0):
            head = self.ring.head
            seats = list(self.roster.seats())
        node.table.forget_everything()
        receiver.ledger.begin({seat.origin: seat.sequence for seat in seats})
        for seat in seats:
            receiver.lease.beat(seat.origin, seat.beat)
        node.table.words[layout.HISTORY] = self.ring.id
        node.table.words[layout.CURSOR] = head

    def _beat(self, node: Node, receiver: Receiver) -> None:
        """Publish what dead writers left, say that this node lives, hear it, extend the lease."""
        was_greeted, receiver.was_greeted = receiver.was_greeted, False
        try:
            node.sweep()
            self.send(node, "", None, kind=Kind.HEARTBEAT, may_lap=True)
            if was_greeted:
                self._wake_all()
            self._drain(node, receiver)
            now = node.table.clock()
            with self.ring.lock.held():
                living = self.roster.living(node.table.id)
        except (LockTimeout, BusUnavailable):
            return
        self._drain(node, receiver)
        for gap in receiver.ledger.vanished({seat.origin for seat in living}):
            receiver.gap(gap)
        for seat in living:
            tail = receiver.ledger.tail_gap(seat.origin, seat.sequence)
            if tail is not None:
                receiver.gap(tail)
                receiver.ledger.begin({seat.origin: seat.sequence for seat in living})
        receiver.lease.look((seat.origin for seat in living), now)
        receiver.extend_lease()

    async def _drain_for(
        self, duration: int, node: Node, receiver: Receiver, woken: asyncio.Event
    ) -> None:
        until = node.table.clock() + duration
        while True:
            self._drain(node, receiver)
            receiver.extend_lease()
            left = (until - node.table.clock()) / SECOND
            if left <= 0 or receiver.was_greeted:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), min(left, kick.LONGEST_NAP))
            woken.clear()

    def _drain(self, node: Node, receiver: Receiver) -> None:
        words = node.table.words
        while True:
            try:
                found = self.ring.read(words[layout.CURSOR])
            except Lapped:
                self._start_over(node, receiver)
                receiver.gap(Gap("overtaken by the ring's writers"))
                continue
            if found is None:
                break
            packet, after = found
            receiver.packet(packet)
            words[layout.CURSOR] = after
        self.roster.note(self._cells[node.table.id], roster.CURSOR, words[layout.CURSOR])
