"""Run the site's handlers off the agent's loop, one at a time, from a finite queue."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

from django.db import close_old_connections

from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.message import Message
from nothing_shared.bus.topics import Subscription, subscriptions
from nothing_shared.node import layout

__all__ = ["Delivery", "call"]

logger = logging.getLogger("nothing_shared.bus")

LEFT_BEHIND = Gap("an agent ended before it had handed out all messages")

LOOK = 0.5
"""Seconds after which it is noticed that an earlier agent has left messages behind."""


class Delivery:
    """Keeps each sender's order. What finds the queue full is dropped, and is a gap in its place.

    How many wait stands in the change table: an agent that is killed takes them along, and its heir
    learns from that number that it has a gap to tell of.
    """

    def __init__(self, words: memoryview, max_pending: int) -> None:
        self._words = words
        self._queue: asyncio.Queue[Message | Gap] = asyncio.Queue(max_pending)
        self._overflow: Gap | None = None
        self._ahead = 0
        """Items that stand before the overflow's gap."""
        self._lost = words[layout.LOST]
        if words[layout.UNDELIVERED]:
            self._overflow = LEFT_BEHIND

    def message(self, message: Message) -> None:
        if next(_fleeting(message.topic), None) is None:
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._overflow_with(Gap("handlers too slow"))
        self._words[layout.UNDELIVERED] += 1

    def gap(self, gap: Gap) -> None:
        try:
            self._queue.put_nowait(gap)
        except asyncio.QueueFull:
            self._overflow_with(gap)
        self._words[layout.UNDELIVERED] += 1

    def _overflow_with(self, gap: Gap) -> None:
        if self._overflow is None:
            self._overflow, self._ahead = gap, self._queue.qsize()

    async def run(self) -> None:
        """Hand out messages and gaps until cancelled."""
        self._in_hand = True
        looking = asyncio.create_task(self._look())
        try:
            await self._hand_out()
        finally:
            looking.cancel()
            # Another agent may be in office by now, which counts these numbers as heard.
            if self._in_hand or self._overflow is not None or not self._queue.empty():
                self._words[layout.LOST] += 1

    async def _look(self) -> None:
        """Wake who hands out, and has nothing to, once an earlier agent has left messages behind."""
        while True:
            if self._queue.empty() and self._has_lost():
                self.gap(LEFT_BEHIND)
            await asyncio.sleep(LOOK)

    def _has_lost(self) -> bool:
        """Say whether an earlier agent has left messages behind since the last time this was asked."""
        lost, self._lost = self._lost, self._words[layout.LOST]
        return lost != self._lost

    async def _hand_out(self) -> None:
        while True:
            if self._has_lost():
                await self._tell_of(LEFT_BEHIND)
            if self._overflow is not None and self._ahead <= 0:
                gap, self._overflow = self._overflow, None
                await self._tell_of(gap)
            self._in_hand = False
            self._words[layout.UNDELIVERED] = self._queue.qsize()
            item = await self._next()
            self._ahead -= 1
            self._in_hand = True
            if isinstance(item, Gap):
                await self._tell_of(item)
            else:
                for known in _fleeting(item.topic):
                    await call(known.handler, item)

    async def _next(self) -> Message | Gap:
        if not self._queue.empty():
            await asyncio.sleep(0)  # handlers that wait for nothing keep nobody else from running
        return await self._queue.get()

    async def _tell_of(self, gap: Gap) -> None:
        for known in subscriptions():
            if known.on_gap is not None:
                await call(known.on_gap, gap)


def _fleeting(topic: str) -> Iterator[Subscription]:
    return (known for known in subscriptions(topic) if not known.is_durable)


async def call(handler: Callable[[Any], Any], argument: object) -> bool:
    """Run a handler, a sync one in a thread; log what it raises, and say whether it succeeded."""
    try:
        code = getattr(handler, "__code__", None)  # says at once what is asked below
        if (code and code.co_flags & inspect.CO_COROUTINE) or inspect.iscoroutinefunction(handler):
            await handler(argument)
        else:
            await asyncio.to_thread(_call_sync, handler, argument)
    except Exception:
        logger.exception("the bus handler %r failed", handler)
        return False
    return True


def _call_sync(handler: Callable[[Any], Any], argument: object) -> None:
    close_old_connections()
    try:
        handler(argument)
    finally:
        close_old_connections()
