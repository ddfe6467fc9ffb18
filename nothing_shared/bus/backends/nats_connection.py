"""One connection to NATS, given up as soon as anything is wrong with it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

__all__ = ["HEADROOM", "Connection", "connected", "failures_of_nats", "token"]

logger = logging.getLogger("nothing_shared.bus")

Answer = TypeVar("Answer")

CONNECTING, EACH = 2.0, 1
"""Seconds until a connection must stand, and until one of several servers is passed over."""

CLOSING = 0.5

HEADROOM = 1024
"""Bytes of a message that its headers may take, which NATS counts as well."""

MOST_WAITING = 2**16
"""Messages that may have arrived and wait to be read."""

LONGEST_TOKEN = 100
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class Connection:
    """Never reconnects: the carrier does, and knows what was missed meanwhile."""

    def __init__(self) -> None:
        self.client = Client()
        self._is_open = False
        self._failure: Exception | None = None
        self._loss: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived: list[Msg] = []
        self._woken = asyncio.Event()

    async def open(self, urls: Sequence[str], name: str) -> None:
        try:
            async with asyncio.timeout(CONNECTING):
                await self.client.connect(
                    list(urls),
                    name=name,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=EACH,
                    # A full buffer would wait for the server, deaf to being cancelled.
                    pending_size=0,
                    error_cb=self._fail,
                    closed_cb=self._closed,
                )
        except (Error, OSError) as failure:
            raise OSError(f"no NATS server answers: {self._failure or failure!r}") from failure
        self._is_open, self._failure = True, None

    async def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        if self._is_open and not self._loss.done():
            self._loss.set_result(None)
            self._woken.set()

    async def _closed(self) -> None:
        await self._fail(OSError("the connection to NATS was closed"))

    async def listen(self, subject: str) -> None:
        """Have what is published on a subject arrive."""
        await self.client.subscribe(subject, cb=self._take)

    async def _take(self, message: Msg) -> None:
        self._arrived.append(message)
        self._woken.set()
        if len(self._arrived) > MOST_WAITING:
            await self._fail(OSError("messages arrive faster than they are read"))

    async def arrived(self) -> list[Msg]:
        """Wait for messages and return all there are; raise OSError once the connection is lost."""
        await self._woken.wait()
        self._refuse_if_lost()
        arrived, self._arrived = self._arrived, []
        self._woken.clear()
        return arrived

    def takes(self, packet: bytes) -> bool:
        """Say whether the server takes a message so large, which is a gap to all where it does not."""
        takes = len(packet) <= self.client.max_payload - HEADROOM
        if not takes:
            logger.error("a message of %d bytes is too large for NATS: max_payload", len(packet))
        return takes

    async def answer(self, waiting: Awaitable[Answer]) -> Answer:
        """Wait for an answer; raise OSError as soon as none can come any more."""
        answer = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait((answer, self._loss), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self._refuse_if_lost()
            return await answer
        finally:
            answer.cancel()

    def _refuse_if_lost(self) -> None:
        if self._loss.done():
            raise OSError(f"the connection to NATS is lost: {self._failure!r}")

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSING):
                await self.client.close()
        except (Error, OSError):
            pass
        finally:
            self._break_off()

    def _break_off(self) -> None:
        """End what is left of a connection that can't be closed, since its server takes no more.

        nats-py has no way to do that: https://github.com/nats-io/nats.py
        """
        client = self.client
        for task in (client._reading_task, client._flusher_task, client._ping_interval_task):
            if task is not None:
                task.cancel()
        for subscription in client._subs.values():
            subscription._stop_processing()
        writer = getattr(client._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()


@asynccontextmanager
async def connected(urls: Sequence[str], name: str) -> AsyncIterator[Connection]:
    connection = Connection()
    try:
        await connection.open(urls, name)
        yield connection
    finally:
        await connection.close()


@contextmanager
def failures_of_nats() -> Iterator[None]:
    """Raise OSError for what NATS, or the way to it, can't do now."""
    try:
        yield
    except Error as failure:
        raise OSError(str(failure) or type(failure).__name__) from failure


def token(text: str) -> str:
    """Return a name for a text that may stand in subjects and names; no two texts share one."""
    safe = UNSAFE.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), text)
    if 0 < len(safe) <= LONGEST_TOKEN:
        return safe
    return f"=={hashlib.sha256(text.encode()).hexdigest()}"
