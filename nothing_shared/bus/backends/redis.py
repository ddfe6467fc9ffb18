"""Redis as a bus: Streams, which replay, or pub/sub, which does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from nothing_shared.bus.backends.network import NetworkBus, NetworkOptions
from nothing_shared.bus.backends.streams import Stream, StreamTransport
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.conf import option
from nothing_shared.node.process import Node

__all__ = ["RedisBus", "RedisBusOptions"]

URL = "redis://localhost:6379"
CONNECTING = 2.0


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
            with failures_of_redis():
                if self.options.mode == "pubsub":
                    yield await self._subscribe(client)
                else:
                    stream = Stream(client, self._prefix, self.options.max_messages)
                    yield await StreamTransport.open(stream, place, node.name)
        finally:
            await client.aclose()

    def _client(self) -> Redis:
        return Redis.from_url(
            self._url,
            socket_connect_timeout=CONNECTING,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # the carrier tries again, and knows what was missed
        )

    async def _subscribe(self, client: Redis) -> PubSubTransport:
        pubsub = client.pubsub()
        await pubsub.subscribe(self._prefix)
        confirmation = await pubsub.get_message(timeout=CONNECTING)
        if confirmation is None or confirmation["type"] != "subscribe":
            raise OSError(f"{self._url} does not confirm the subscription")
        return PubSubTransport(client, pubsub, self._prefix)


class PubSubTransport(Transport):
    def __init__(self, client: Redis, pubsub: PubSub, channel: str) -> None:
        self._client = client
        self._pubsub = pubsub
        self._channel = channel

    async def send(self, parcels: Sequence[Parcel]) -> None:
        with failures_of_redis():
            async with self._client.pipeline(transaction=False) as pipeline:
                for parcel in parcels:
                    pipeline.publish(self._channel, parcel.packet)
                await pipeline.execute()

    async def receive(self) -> list[tuple[bytes, int]]:
        with failures_of_redis():
            message: dict[str, Any] | None = await self._pubsub.get_message(timeout=None)
        if message is None or message["type"] != "message":
            return []
        return [(message["data"], 0)]


@contextmanager
def failures_of_redis() -> Iterator[None]:
    """Raise OSError for what Redis, or the way to it, can't do now."""
    try:
        yield
    except RedisError as failure:
        raise OSError(str(failure) or type(failure).__name__) from failure
