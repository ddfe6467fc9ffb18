"""Redis Streams whose ids count without a hole, so that what was trimmed shows in the numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nothing_shared.bus import changes
from nothing_shared.bus.backends.redis_line import Line, Script, failures_of_redis
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Handle, Place, Transport

__all__ = ["Stream", "StreamTransport"]

FIELD = b"p"
AT_ONCE = 200
WAIT_MS = 1000
READ = ("XREAD", "COUNT", AT_ONCE, "BLOCK", WAIT_MS, "STREAMS")
RETRY_AFTER = 1.0
"""Seconds until a handler that failed is called again."""
ABANDONED_MS = 60_000
"""After which a message that a node of a group has not finished is another node's."""

APPEND = Script("""
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
    local now = redis.call('TIME')
    epoch = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
    redis.call('HSET', KEYS[2], 'epoch', epoch, 'number', 0)
end
for i = 2, #ARGV, 2 do
    local number = redis.call('HINCRBY', KEYS[2], 'number', 1)
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], epoch .. '-' .. number, 'p', ARGV[i])
    if ARGV[i + 1] ~= '' then
        redis.call('XADD', ARGV[i + 1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1], '*', 'p', ARGV[i])
    end
end
return {epoch, redis.call('HGET', KEYS[2], 'number')}
""")
"""Adds packets, and those of a topic for which a group has made a stream to that one, too; returns
the epoch, and the number of the last one. An epoch is the time at which Redis had to begin to count:
a server that has lost its data has another one, and a later one."""


class Stream:
    """One site's stream, and one more for each topic that a group waits for."""

    def __init__(self, client: Redis, line: Line, prefix: str, max_messages: int) -> None:
        self.client = client
        self._line = line
        self.name = f"{prefix}:stream"
        self._prefix = prefix
        self._max = max_messages

    async def append(self, parcels: Sequence[Parcel]) -> Place:
        """Add parcels, or none, and return the place after them."""
        keys, args = [self.name, f"{self._prefix}:count"], list[Any]([self._max])
        for parcel in parcels:
            is_news = parcel.topic and parcel.topic != changes.TOPIC
            args += [parcel.packet, self.of_topic(parcel.topic) if is_news else ""]
        epoch, number = await self._line.run(APPEND, keys, args)
        return Place(int(epoch), int(number))

    def of_topic(self, topic: str) -> str:
        return f"{self._prefix}:topic:{topic}"

    async def has_all_after(self, place: Place, head: Place) -> bool:
        """Say whether nothing that came after a place has been trimmed."""
        if place.history != head.history or place.cursor > head.cursor:
            return False
        if place.cursor == head.cursor:
            return True
        first: Any = await self.client.xrange(self.name, count=1)
        return bool(first) and number_of(first[0][0], place.history) <= place.cursor + 1


def number_of(entry: bytes, epoch: int) -> int:
    """Return an entry's number; raise OSError if Redis has begun to count anew."""
    began, _, number = entry.partition(b"-")
    if int(began) != epoch:
        raise OSError("the stream has begun anew")
    return int(number)


class StreamTransport(Transport):
    def __init__(self, stream: Stream, line: Line, begin: Place, node: str) -> None:
        self._stream = stream
        self._line = line
        self._epoch = begin.history
        self._number = begin.cursor
        self._node = node

    @classmethod
    async def open(
        cls, stream: Stream, line: Line, place: Place | None, node: str
    ) -> StreamTransport:
        head = await stream.append([])
        resumes = place is not None and await stream.has_all_after(place, head)
        begin = place if place is not None and resumes else head
        transport = cls(stream, line, begin, node)
        transport.resumes, transport.start = resumes, begin
        return transport

    async def send(self, parcels: Sequence[Parcel]) -> None:
        await self._stream.append(parcels)

    async def receive(self) -> list[tuple[bytes, int]]:
        found = await self._line.ask(*READ, self._stream.name, f"{self._epoch}-{self._number}")
        packets: list[tuple[bytes, int]] = []
        for entry, fields in found[0][1] if found else ():
            number = number_of(entry, self._epoch)
            if number != self._number + 1:
                if packets:  # the hole comes first the next time
                    break
                raise OSError(f"the stream was trimmed up to {number}, and {self._number} was read")
            self._number = number
            packets.append((fields[1], number))
        return packets

    async def work(self, topic: str, group: str, handle: Handle) -> None:
        client, name = self._stream.client, self._stream.of_topic(topic)
        with failures_of_redis():
            with suppress(ResponseError):  # it is there already
                await client.xgroup_create(name, group, id="$", mkstream=True)
            while True:
                for entry, fields in await self._next(name, group):
                    while not await handle(fields[FIELD]):
                        await asyncio.sleep(RETRY_AFTER)
                    await client.xack(name, group, entry)

    async def _next(self, name: str, group: str) -> list[Any]:
        """Return what this node has begun before, what another has abandoned, or what is new."""
        client, node = self._stream.client, self._node
        mine: Any = await client.xreadgroup(group, node, {name: "0"}, count=1)
        if mine and mine[0][1]:
            return list(mine[0][1])
        abandoned: Any = await client.xautoclaim(name, group, node, ABANDONED_MS, count=1)
        if abandoned[1]:
            return list(abandoned[1])
        new: Any = await client.xreadgroup(group, node, {name: ">"}, count=1, block=WAIT_MS)
        return list(new[0][1]) if new else []
