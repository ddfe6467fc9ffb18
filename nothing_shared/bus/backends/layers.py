"""One channel of one channel layer, in a group of its own: made, proved, read, paced and ended."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Transport

__all__ = ["GroupTransport", "a_layer"]

PACKET, PROBE = "bus.packet", "bus.probe"
CONNECTING = 5.0
CLOSING = 1.0
RENEWAL = 3600.0
"""Seconds after which a channel joins its group again, lest the layer thinks it has been left."""
GROUP_EXPIRY = 86_400.0
"""Seconds after which layers think so, by default."""
WINDOW = 25
"""Packets under way at most: layers drop what finds a hundred waiting, and several nodes send."""
ECHO = 0.2
"""Seconds to wait for one of them to come back before it counts as lost."""
MOST_READ_AHEAD = 1000


class GroupTransport(Transport):
    """Sends to the group and reads what the group is sent, always, lest the channel fills up."""

    most_at_once = 8  # to some layers a message is several round trips

    def __init__(self, layer: Any, group: str) -> None:
        self._layer = layer
        self._group = group
        self._channel = ""
        self._found: asyncio.Queue[bytes | OSError] = asyncio.Queue(MOST_READ_AHEAD)
        self._under_way: dict[bytes, None] = {}
        self._echoed = asyncio.Event()
        self._token = secrets.token_hex(8)
        self._proved = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def joined(cls, layer: Any, group: str) -> AsyncIterator[GroupTransport]:
        transport = cls(layer, group)
        try:
            with failures_of_a_layer():
                async with asyncio.timeout(CONNECTING):
                    await transport._join()
            yield transport
        finally:
            await transport._leave()

    async def _join(self) -> None:
        """Subscribe, and wait for the proof of it: not every layer waits for the broker's word."""
        self._channel = await self._layer.new_channel()
        await self._layer.group_add(self._group, self._channel)
        self._reader = asyncio.create_task(self._read())
        await self._layer.group_send(self._group, {"type": PROBE, "p": self._token})
        await self._proved.wait()

    async def _leave(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader}, timeout=CLOSING)
            abandon(self._reader)
        if self._channel:
            await at_most(CLOSING, self._layer.group_discard(self._group, self._channel))

    async def send(self, parcels: Sequence[Parcel]) -> None:
        with failures_of_a_layer():
            for parcel in parcels:
                await self._let_readers_catch_up()
                self._under_way[parcel.packet] = None
                # As text, which also layers take that write JSON.
                packet = parcel.packet.decode("latin-1")
                await self._layer.group_send(self._group, {"type": PACKET, "p": packet})

    async def _let_readers_catch_up(self) -> None:
        """Wait while too much is under way: this node's own channel fills up as others' do."""
        while len(self._under_way) >= WINDOW:
            self._echoed.clear()
            try:
                async with asyncio.timeout(ECHO):
                    await self._echoed.wait()
            except TimeoutError:
                self._under_way.clear()

    async def receive(self) -> list[tuple[bytes, int]]:
        packets = [await self._found.get()]
        while not self._found.empty():
            packets.append(self._found.get_nowait())
        for packet in packets:
            if isinstance(packet, OSError):
                raise packet
        return [(packet, 0) for packet in packets if isinstance(packet, bytes)]

    async def _read(self) -> None:
        try:
            with failures_of_a_layer():
                await self._read_on()
        except OSError as failure:
            await self._found.put(failure)

    async def _read_on(self) -> None:
        clock = asyncio.get_running_loop().time
        renewal = min(RENEWAL, expiry_of(self._layer) / 4)
        due = clock() + renewal
        while True:
            message = await self._layer.receive(self._channel)
            text = str(message.get("p", ""))
            if message.get("type") == PROBE:
                if text == self._token:
                    self._proved.set()
                continue
            packet = text.encode("latin-1", "replace")
            self._under_way.pop(packet, None)
            self._echoed.set()
            await self._found.put(packet)
            if clock() >= due:
                await self._layer.group_add(self._group, self._channel)
                due = clock() + renewal


def expiry_of(layer: Any) -> float:
    return float(getattr(layer, "group_expiry", None) or GROUP_EXPIRY)


@asynccontextmanager
async def a_layer(make: Callable[[], Any]) -> AsyncIterator[Any]:
    """Make a layer for the running loop, and see that nothing of it is left afterwards."""
    loop_attributes = vars(asyncio.get_running_loop())
    before = loop_attributes.get("close")
    with failures_of_a_layer():
        layer = make()
    try:
        yield layer
    finally:
        await at_most(CLOSING, close(layer))
        for task in [value for value in vars(layer).values() if isinstance(value, asyncio.Task)]:
            abandon(task)
        # channels_redis wraps the loop's `close` for each layer, and so keeps each for ever.
        if before is None:
            loop_attributes.pop("close", None)
        else:
            loop_attributes["close"] = before


async def close(layer: Any) -> None:
    """End a layer's connections by whatever name it has for that."""
    for name in ("close_pools", "close"):
        # Looked up on the class, since the pub/sub layer of channels_redis raises for unknown names.
        if hasattr(type(layer), name):
            await getattr(layer, name)()
            return
    if type(layer).__module__ == "channels_redis.pubsub":
        # Others' `flush` would delete what all the site's consumers have yet to receive.
        await layer.flush()


async def at_most(seconds: float, doing: Coroutine[Any, Any, object]) -> None:
    """Let something end that may fail or hang: nobody wants to know any more."""
    task = asyncio.ensure_future(doing)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        abandon(task)


def abandon(task: asyncio.Task[Any]) -> None:
    task.cancel()
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


@contextmanager
def failures_of_a_layer() -> Iterator[None]:
    """Raise OSError for whatever a layer raises: each has exceptions of its own."""
    try:
        yield
    except (OSError, TimeoutError, EOFError):
        raise
    except Exception as failure:
        raise OSError(f"{type(failure).__name__}: {failure}") from failure
