"""An agent's connections to the outbox, and the groups that work on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from time import monotonic

from nothing_shared.bus.backends.group_turns import Turns
from nothing_shared.bus.backends.progress import Progress
from nothing_shared.bus.backends.rows import AT_ONCE, Row, Rows
from nothing_shared.bus.backends.wire import Wire
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Handle, Transport

__all__ = ["OutboxTransport"]

POLL = 1.0
"""Seconds after which a reader looks that was not told to."""
PACE = 0.001
"""Seconds between two looks, or two calls to look, where many commit: one then does for all."""
RETRY_AFTER = 1.0
"""Seconds until a handler that failed is called again."""


class Pace:
    """Lets something happen at once, but not again at once."""

    def __init__(self) -> None:
        self._due = 0.0

    async def keep(self) -> None:
        now = monotonic()
        if now < self._due:
            await asyncio.sleep(self._due - now)
        self._due = max(now, self._due) + PACE


class OutboxTransport(Transport):
    def __init__(
        self, rows: Rows, listener: Wire, sender: Wire, progress: Progress, *, channel: str,
        wire: Callable[[], AbstractAsyncContextManager[Wire]], note: Callable[[Progress], None],
    ) -> None:  # fmt: skip
        self._rows = rows
        self._listener = listener
        self._sender = sender
        self._progress = progress
        self._channel = channel
        self._wire = wire
        self._note = note
        self._looking, self._poking = Pace(), Pace()
        self._may_have_more = True
        self._came = asyncio.Event()
        """Set, and replaced, whenever rows have come: wakes the groups."""

    async def send(self, parcels: Sequence[Parcel]) -> None:
        await self._rows.append(self._sender, parcels, self._channel)

    async def poke(self) -> None:
        await self._poking.keep()
        await self._sender.run(f'NOTIFY "{self._channel}"')

    async def receive(self) -> list[tuple[bytes, int]]:
        self._note(self._progress)  # what was returned last has been acted on by now
        if not self._may_have_more:  # what is stored from here on is told of
            await self._listener.hear(POLL)
        rows = await self._next()
        self._may_have_more = len(rows) == AT_ONCE
        if rows:
            self._came.set()
            self._came = asyncio.Event()
        last = len(rows) - 1
        return [(row.packet, self._cursor(at == last)) for at, row in enumerate(rows)]

    async def _next(self) -> list[Row]:
        await self._looking.keep()
        rows, self._progress = await self._rows.after(self._listener, self._progress)
        return rows

    def _cursor(self, is_last: bool) -> int:
        return self._progress.cursor if is_last else 0

    async def work(self, topic: str, group: str, handle: Handle) -> None:
        async with self._wire() as wire:
            turns = Turns(self._rows, wire, topic, group)
            await turns.begin()
            while True:
                came = self._came
                if not await self._turn(turns, handle):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await came.wait()

    async def _turn(self, turns: Turns, handle: Handle) -> bool:
        """Work on the next message; False if there is none for now."""
        if not await turns.take():
            return True
        row = await turns.next()
        if row is not None:
            while not await handle(row.packet):
                await asyncio.sleep(RETRY_AFTER)
            await turns.done()
        await turns.give_up()
        return row is not None
