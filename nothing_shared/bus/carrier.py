"""The agent's side of a bus between machines: send, receive, show life, keep the lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from nothing_shared.bus import kick
from nothing_shared.bus.berth import Seal
from nothing_shared.bus.groups import Groups
from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.membership import Membership
from nothing_shared.bus.message import Kind
from nothing_shared.bus.muster import Muster
from nothing_shared.bus.outbox import Outbox
from nothing_shared.bus.patience import Patience
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.clock import SECOND
from nothing_shared.locks import LockTimeout
from nothing_shared.node import layout
from nothing_shared.node.process import Node

__all__ = ["Carrier", "Connect"]

logger = logging.getLogger("nothing_shared.bus")

Connect = Callable[[Place | None], AbstractAsyncContextManager[Transport]]

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two tries to reach the broker."""

LEAST_PATIENCE = 1.0
"""Seconds after which a broker that says nothing, not even what this node said, counts as gone."""

LOST = (OSError, TimeoutError, EOFError)


class Carrier:
    """Joins one node to a broker, again and again, until cancelled or the node's table is replaced."""

    def __init__(
        self, connect: Connect, outbox: Outbox, node: Node, receiver: Receiver,
        membership: Membership, seal: Seal, *, may_lose: bool,
    ) -> None:  # fmt: skip
        self._connect = connect
        self._outbox = outbox
        self._node = node
        self._words = node.table.words
        self._receiver = receiver
        self._muster = Muster(node, receiver, membership, may_lose=may_lose)
        self._groups = Groups(node, receiver.signer)
        self._seal = seal
        self._woken = asyncio.Event()
        self._can_be_woken = False
        self._beaten_at = 0
        """Place of the last heartbeat on the outbox's ring."""
        self._is_out, self._pause = False, FIRST_PAUSE
        self._patience = max(LEAST_PATIENCE, node.lease / SECOND)
        """Seconds."""

    async def keep(self) -> None:
        with kick.ear(self._outbox.agents_ear, self._woken) as longest_nap:
            self._can_be_woken = longest_nap != kick.POLLING
            watching = asyncio.create_task(self._muster.watch())
            try:
                await self._stay_connected()
            finally:
                watching.cancel()
                await asyncio.wait([watching])

    async def _stay_connected(self) -> None:
        while not self._node.table.is_retired and self._outbox.ring.is_current():
            try:
                async with self._connect(self._place()) as transport:
                    # A task of its own: Python 3.11's groups leave their task marked as cancelled.
                    await asyncio.create_task(self._carry(transport))
            except* LOST as failures:
                if not self._is_out:
                    reason = failures.exceptions[0]
                    logger.warning("node %s has lost the broker: %r", self._node.name, reason)
                self._is_out = True
            if was_cancelled():
                return  # of a failure and a cancellation at once, Python 3.11 tells the first alone
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _place(self) -> Place | None:
        history = self._words[layout.HISTORY]
        return Place(history, self._words[layout.CURSOR]) if history else None

    async def _carry(self, transport: Transport) -> None:
        self._start(transport)
        patience = Patience(self._patience)
        async with asyncio.TaskGroup() as group:
            group.create_task(patience.watch())
            group.create_task(self._send(transport, patience))
            group.create_task(self._receive(transport, patience))
            group.create_task(self._beat())
            group.create_task(self._groups.keep(transport))

    def _start(self, transport: Transport) -> None:
        """Read on where this node was, or from now on, with everything forgotten.

        Without a history the numbers tell what was missed; but not of nodes that came and went while
        this one was away for longer than the roster remembers them.
        """
        words, place = self._words, transport.start
        until = words[layout.LEASE_UNTIL]
        was_away = self._node.table.clock() > until + self._node.lease
        if transport.resumes or (place is None and not was_away):
            return
        was_here = bool(words[layout.HISTORY] if place is not None else until)
        words[layout.HISTORY] = 0
        if was_here:
            self._receiver.gap(Gap("the bus no longer has what this node has yet to hear"))
        else:
            self._node.table.forget_everything()
        self._receiver.begin()
        if place is not None:  # else the numbers stay: they tell what is sent a second time
            self._receiver.ledger.begin({})
            words[layout.CURSOR] = place.cursor
            words[layout.HISTORY] = place.history

    async def _send(self, transport: Transport, patience: Patience) -> None:
        with contextlib.suppress(TimeoutError):  # who is heard before it is seen counts as gone
            async with asyncio.timeout(self._patience / 2):
                await self._muster.seated.wait()
        was_kicked = False
        while not was_cancelled():
            parcels, after = self._outbox.waiting(transport.most_at_once)
            if parcels or was_kicked:
                patience.begin("sending")
                await (transport.send(parcels) if parcels else transport.poke())
                patience.end("sending")
                was_kicked = False
            if after != self._outbox.sent:
                self._outbox.note_sent(after)
                await asyncio.sleep(0)
                continue
            if self._can_be_woken:
                was_kicked = await self._woken.wait()
            else:
                await asyncio.sleep(kick.POLLING)
            self._woken.clear()

    async def _receive(self, transport: Transport, patience: Patience) -> None:
        while not was_cancelled():
            # This node's own heartbeats come back: silence is a connection that is dead.
            patience.begin("hearing anything")
            packets = await transport.receive()
            patience.end("hearing anything")
            self._pause = FIRST_PAUSE
            if self._is_out:
                self._is_out = False
                logger.warning("node %s hears the broker again", self._node.name)
            for packet, cursor in packets:
                if not self._receiver.is_in_office:
                    return
                self._receiver.packet(packet)
                if cursor:
                    self._words[layout.CURSOR] = cursor
            self._receiver.extend_lease()
            await asyncio.sleep(0)

    async def _beat(self) -> None:
        """Publish what dead writers left and say that this node lives, again and again."""
        interval = self._node.lease / SECOND / 8
        while True:
            self._receiver.was_greeted = False
            with contextlib.suppress(LockTimeout, OSError):
                began = self._node.table.clock()
                self._node.sweep()
                self._say_alive(began)
            due = self._node.table.clock() + self._node.lease // 8
            while self._node.table.clock() < due and not self._receiver.was_greeted:
                await asyncio.sleep(interval / 4)

    def _say_alive(self, since: int) -> None:
        if self._beaten_at >= self._outbox.sent and self._beaten_at:
            return  # the last one has not been sent yet
        answers = {f"{origin:x}": sent for origin, sent in self._receiver.echoes.items()}
        with self._outbox.ring.lock.held():
            self._beaten_at = self._outbox.ring.head
            self._outbox.append(Kind.HEARTBEAT, "", answers, self._seal, sent=since)
        self._woken.set()


def was_cancelled() -> bool:
    """Say whether the running task was told to end and something in it did not pass that on.

    Python 3.11's ``wait_for``, which clients of brokers use, doesn't where its own work ends at that
    very moment: as all does that was due when a process was stopped, once it goes on.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
