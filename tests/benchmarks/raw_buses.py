"""What the clients that the backends stand on do by themselves: the least code that carries a message."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, ClassVar

__all__ = ["RAW", "Asynchronous", "Heard", "Raw", "say", "stamped", "time_of"]

TOPIC = "benchmark"
PADDING = "x" * 150
"""With a time and a number, about 200 bytes."""

Heard = Callable[[int], None]
"""Is given the time at which a message was sent."""


class Raw(ABC):
    """One client of a server: sends, or listens until it has heard enough."""

    is_async: ClassVar[bool] = False

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def open(self) -> None:
        """Connect."""

    @abstractmethod
    def send(self, text: str) -> None:
        """Send, and wait until the server has it."""

    def say(self, count: int, interval: float) -> list[float]:
        """Send some, paced; return the microseconds of each call."""
        return say(self.send, count, interval)

    @abstractmethod
    def listen(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        """Hear so many messages."""


def say(send: Callable[[str], None], count: int, interval: float) -> list[float]:
    """Send some, paced; return the microseconds of each call."""
    calls, due = [], time.monotonic()
    for _ in range(count):
        due += interval
        threading.Event().wait(max(due - time.monotonic(), 0)) if interval else None
        text = stamped()
        began = monotonic_ns()
        send(text)
        calls.append((monotonic_ns() - began) / 1000)
    return calls


def stamped() -> str:
    return f"{monotonic_ns()} {PADDING}"


def time_of(packet: bytes | str) -> int:
    return int(packet.split()[0])


class RedisStream(Raw):
    def open(self) -> None:
        import redis

        self.client: Any = redis.Redis.from_url(self.url)

    def send(self, text: str) -> None:
        self.client.xadd("raw", {"p": text}, maxlen=100_000, approximate=True)

    def listen(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        place, left = b"$", count
        place = (
            (self.client.xinfo_stream("raw")["last-generated-id"])
            if self.client.exists("raw")
            else b"0"
        )
        is_ready()
        while left > 0:
            for _, entries in self.client.xread({"raw": place}, block=5000) or ():
                for _, fields in entries:
                    heard(time_of(fields[b"p"]))
                    left -= 1
                place = entries[-1][0]


class RedisPubSub(RedisStream):
    def send(self, text: str) -> None:
        self.client.publish("raw", text)

    def listen(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        pubsub = self.client.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("raw")
        pubsub.get_message(timeout=5)
        is_ready()
        while count > 0:
            message = pubsub.get_message(timeout=5)
            if message is not None:
                heard(time_of(message["data"]))
                count -= 1


class Asynchronous(Raw):
    """A client that knows no other way: its loop runs in this thread, for a call at a time."""

    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.runner.run(self.connect())

    @abstractmethod
    async def connect(self) -> None: ...
    @abstractmethod
    async def asend(self, text: str) -> None: ...
    @abstractmethod
    async def alisten(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None: ...

    def send(self, text: str) -> None:
        self.runner.run(self.asend(text))

    def listen(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        self.runner.run(self.alisten(is_ready, heard, count))


class NatsCore(Asynchronous):
    async def connect(self) -> None:
        import nats

        self.client = await nats.connect(self.url)

    async def asend(self, text: str) -> None:
        await self.client.publish("raw.core", text.encode())
        await self.client.flush()

    async def alisten(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        subscription = await self.client.subscribe("raw.core")
        await self.client.flush()
        is_ready()
        for _ in range(count):
            heard(time_of((await subscription.next_msg(timeout=10)).data))
        await subscription.unsubscribe()


class NatsJetStream(NatsCore):
    async def connect(self) -> None:
        await super().connect()
        self.stream = self.client.jetstream()
        await self.stream.add_stream(name="raw", subjects=["raw.stream"])

    async def asend(self, text: str) -> None:
        await self.stream.publish("raw.stream", text.encode())

    async def alisten(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        from nats.js.api import DeliverPolicy

        subscription = await self.stream.subscribe(
            "raw.stream", ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
        )
        await self.client.flush()
        is_ready()
        for _ in range(count):
            heard(time_of((await subscription.next_msg(timeout=10)).data))
        await subscription.unsubscribe()


class PostgresRows(Raw):
    """A row, and a NOTIFY for who waits to read it."""

    def open(self) -> None:
        import psycopg

        self.connection = psycopg.connect(self.url, autocommit=True)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS raw (id bigserial PRIMARY KEY, packet text)"
        )

    def send(self, text: str) -> None:
        self.connection.execute("INSERT INTO raw (packet) VALUES (%s)", [text])
        self.connection.execute("NOTIFY raw")

    def listen(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        self.connection.execute("LISTEN raw")
        row = self.connection.execute("SELECT coalesce(max(id), 0) FROM raw").fetchone()
        assert row is not None
        last = row[0]
        is_ready()
        while count > 0:
            for _ in self.connection.notifies(timeout=0.5, stop_after=1):
                pass
            rows = self.connection.execute(
                "SELECT id, packet FROM raw WHERE id > %s ORDER BY id", [last]
            ).fetchall()
            for _, packet in rows:
                heard(time_of(packet))
                count -= 1
            last = rows[-1][0] if rows else last


RAW: dict[str, type[Raw]] = {
    "redis streams": RedisStream,
    "redis pubsub": RedisPubSub,
    "nats jetstream": NatsJetStream,
    "nats core": NatsCore,
    "postgres": PostgresRows,
}
