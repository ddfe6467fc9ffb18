"""The agent's side of the ring: hear every packet, say that this node lives, keep the lease."""

from __future__ import annotations

import asyncio
import contextlib

from nothing_shared.bus import kick, roster
from nothing_shared.bus.berth import Berth, Seal
from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.ring import Lapped
from nothing_shared.clock import SECOND
from nothing_shared.locks import LockTimeout
from nothing_shared.node import layout
from nothing_shared.node.process import Node

__all__ = ["Watch"]


class Watch:
    """Reads one ring for one node, for as long as that ring is the one in its directory."""

    def __init__(self, berth: Berth, node: Node, receiver: Receiver, seal: Seal) -> None:
        self._berth = berth
        self._ring = berth.ring
        self._node = node
        self._words = node.table.words
        self._receiver = receiver
        self._seal = seal

    async def keep(self) -> None:
        """Read until the ring is replaced, or an ear may be had that was not to be had before."""
        woken = asyncio.Event()
        name = self._berth.ear(self._node.table.id, self._node.agent.term)
        with kick.ear(name, woken) as longest_nap:
            self._subscribe()
            while self._ring.is_current():
                self._beat()
                await self._drain_for(self._node.lease // 8, woken, longest_nap)
                if longest_nap == kick.POLLING:
                    return

    def _subscribe(self) -> None:
        if self._words[layout.HISTORY] != self._ring.id:
            was_elsewhere = bool(self._words[layout.CURSOR])
            self._start_over(Gap("another ring stands in its place") if was_elsewhere else None)

    def _start_over(self, gap: Gap | None) -> None:
        """Read on from the head, with everything forgotten.

        Everything is forgotten after the head was read, so that what is sent in between is heard;
        and before it is stored, so that an agent killed in between leaves its heir to do this again.
        """
        with self._ring.lock.held(2.0):
            head = self._ring.head
            living = self._berth.roster.living()
        if gap is None:
            self._node.table.forget_everything()
        else:
            self._receiver.gap(gap)
        self._receiver.ledger.begin({seat.origin: seat.sequence for seat in living})
        for seat in living:
            self._receiver.lease.beat(seat.origin, seat.beat)
        self._words[layout.HISTORY] = 0
        self._words[layout.CURSOR] = head
        self._words[layout.HISTORY] = self._ring.id

    def _beat(self) -> None:
        """Publish what dead writers left, say that this node lives, hear it, extend the lease."""
        # Each time, since an agent of an earlier term may have noted its own when it woke up.
        self._berth.note(roster.TERM, self._node.agent.term)
        receiver, began = self._receiver, self._node.table.clock()
        was_greeted, receiver.was_greeted = receiver.was_greeted, False
        try:
            self._node.sweep()
            self._berth.say_alive(self._seal, since=began)
            if was_greeted:
                self._berth.wake_all()
            self._drain()
            known = receiver.ledger.origins()
            now = self._node.table.clock()
            with self._ring.lock.held():
                awaited = self._berth.awaited()
                living = self._berth.roster.living()
        except (LockTimeout, OSError):
            return
        self._drain()
        reached = {seat.origin: seat.sequence for seat in living}
        newcomers = receiver.ledger.origins() - known  # they came after the look at the roster
        for gap in receiver.ledger.vanished({*reached, *newcomers}):
            receiver.gap(gap)
        for origin in self._berth.expected - awaited - {*reached, *newcomers}:
            receiver.gap(Gap("a node never came from a ring that was lost", origin))
        self._berth.expected = awaited - reached.keys()
        for origin, sequence in reached.items():
            tail = receiver.ledger.tail_gap(origin, sequence)
            if tail is not None:
                receiver.gap(tail)
                receiver.ledger.skip_to(origin, sequence)
        receiver.lease.look({*reached, *awaited}, now)
        receiver.extend_lease()

    async def _drain_for(self, duration: int, woken: asyncio.Event, longest_nap: float) -> None:
        until = self._node.table.clock() + duration
        while True:
            self._drain()
            self._receiver.extend_lease()
            await asyncio.sleep(0)  # the agent's other tasks, however fast the ring fills
            left = (until - self._node.table.clock()) / SECOND
            if left <= 0 or self._receiver.was_greeted:
                return
            if self._words[layout.CURSOR] < self._ring.head:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, longest_nap)):
                    await woken.wait()
            woken.clear()

    def _drain(self) -> None:
        """Take in what stands on the ring now; what is added meanwhile waits for the next time."""
        words, head = self._words, self._ring.head
        while words[layout.CURSOR] < head and self._receiver.is_in_office:
            try:
                found = self._ring.read(words[layout.CURSOR])
            except Lapped:
                self._start_over(Gap("overtaken by the ring's writers"))
                break
            if found is None:
                break
            packet, after = found
            self._receiver.packet(packet)
            words[layout.CURSOR] = after
        self._berth.note(roster.CURSOR, words[layout.CURSOR])
