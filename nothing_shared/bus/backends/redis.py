"""Redis as a bus: Streams, which replay, or pub/sub, which does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from nothing_shared.bus.backends.network import NetworkBus, NetworkOptions
from nothing_shared.bus.backends.redis_line import Line, failures_of_redis
from nothing_shared.bus.backends.streams import Stream, StreamTransport
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.conf import option
from nothing_shared.node.process import Node

__all__ = ["RedisBus", "RedisBusOptions"]

URL = "redis://localhost:6379"
CONNECTING = 2.0
"""Seconds until a connection must be of use."""


@dataclass(frozen=True)
class RedisBusOptions(NetworkOptions):
    mode: Literal["streams", "pubsub"] = option(
        "streams", "Streams replay what a node missed; pub/sub does not, and costs a little less."
    )
    max_messages: int = option(
        100_000,
        "Messages that a stream keeps, about. Every node sends several a second, to show that it "
        "lives: a node that was away for longer than they last starts over.",
        minimum=1000,
    )


class RedisBus(NetworkBus):
    """With Streams: delivers at least once, in one order for all nodes, and replays.

    A stream that was trimmed, or lost in a failover, is a gap to those who had yet to read it. With
    ``MODE = "pubsub"``: at most once, in each sender's order, and without replay. Redis 6.2 or newer,
    or Valkey.
    """

    is_transactional = False
    options_type = RedisBusOptions

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._url = str(settings.location or URL)
        # The braces keep all keys on one shard of a cluster.
        self._prefix = f"nothing_shared:{{{settings.namespace}}}"
        keeps = self.options.mode == "streams"
        self.replays = self.has_groups = keeps  # type: ignore[misc]
        self.delivers = "at least once" if keeps else "at most once"  # type: ignore[misc]

    def connect(self, node: Node, place: Place | None) -> AbstractAsyncContextManager[Transport]:
        return self._connect(node, place)

    @asynccontextmanager
    async def _connect(self, node: Node, place: Place | None) -> AsyncIterator[Transport]:
        client = self._client()
        try:
            async with AsyncExitStack() as lines:
                async with asyncio.timeout(CONNECTING):
                    speaking = await lines.enter_async_context(Line.to_server_of(client))
                    listening = await lines.enter_async_context(Line.to_server_of(client))
                    with failures_of_redis():
                        transport = await self._open(client, speaking, listening, node, place)
                yield transport
        finally:
            await client.aclose()

    async def _open(
        self, client: Redis, speaking: Line, listening: Line, node: Node, place: Place | None
    ) -> Transport:
        if self.options.mode == "pubsub":
            return await PubSubTransport.open(speaking, listening, self._prefix)
        stream = Stream(client, speaking, self._prefix, self.options.max_messages)
        return await StreamTransport.open(stream, listening, place, node.name)

    def _client(self) -> Redis:
        over_tcp = {} if self._url.startswith("unix:") else {"socket_keepalive": True}
        return Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECTING,
            retry=Retry(NoBackoff(), 0),  # the carrier tries again, and knows what was missed
            **over_tcp,
        )


class PubSubTransport(Transport):
    def __init__(self, speaking: Line, listening: Line, channel: str) -> None:
        self._speaking = speaking
        self._listening = listening
        self._channel = channel

    @classmethod
    async def open(cls, speaking: Line, listening: Line, channel: str) -> PubSubTransport:
        await listening.ask("SUBSCRIBE", channel)
        return cls(speaking, listening, channel)

    async def send(self, parcels: Sequence[Parcel]) -> None:
        await self._speaking.ask_all(
            ("PUBLISH", self._channel, parcel.packet) for parcel in parcels
        )

    async def receive(self) -> list[tuple[bytes, int]]:
        kind, _, packet = await self._listening.answer()
        return [(packet, 0)] if kind == b"message" else []
