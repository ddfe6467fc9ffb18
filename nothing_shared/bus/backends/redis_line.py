"""One connection to Redis, spoken to directly: a bus asks few things, each of them in a hurry."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import hiredis
from redis.asyncio import Redis
from redis.exceptions import RedisError

__all__ = ["Line", "Refused", "Script", "failures_of_redis"]

MOST_UNREAD = 2**20
"""Bytes of answers that may lie here unread before the server is made to wait."""


class Refused(OSError):
    """An error that the server has answered with."""


class Script:
    """Code that Redis runs, and the name that it has there."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.name = hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()


class Line(asyncio.Protocol):
    """A connection that the client has opened, and that is not spoken to through it from then on.

    What is in between there takes as long as the server does. Answers come in the order of the
    questions; one that was cancelled ends the line. Raises OSError once that is lost.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._reader = hiredis.Reader(replyError=Refused, notEnoughData=Ellipsis)
        self._answers: deque[Any] = deque()
        self._news: asyncio.Future[None] | None = None
        """Done once an answer has come, or the line has ended."""
        self._end: OSError | None = None
        self._unread = 0
        self._is_paused = False

    @classmethod
    @asynccontextmanager
    async def to_server_of(cls, client: Redis) -> AsyncIterator[Line]:
        pool: Any = client.connection_pool
        # By the protocol in which what is published comes in like an answer.
        connection = pool.connection_class(**{**pool.connection_kwargs, "protocol": 2})
        try:
            with failures_of_redis():
                await connection.connect()
            transport = cast(asyncio.Transport, connection._writer.transport)
            line = cls(transport)
            transport.set_protocol(line)
            yield line
        finally:
            await connection.disconnect(nowait=True)

    async def ask(self, *command: Any) -> Any:
        return (await self.ask_all([command]))[0]

    async def ask_all(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        """Send some commands at once, and return the answers; raise the first that is an error."""
        packed = [hiredis.pack_command(tuple(command)) for command in commands]
        if self._end is not None:
            raise self._end
        self._transport.write(b"".join(packed))
        answers = [await self._next() for _ in packed]
        for answer in answers:
            if isinstance(answer, Refused):
                raise answer
        return answers

    async def answer(self) -> Any:
        """Wait for what is published on a line that has subscribed."""
        answer = await self._next()
        if isinstance(answer, Refused):
            raise answer
        return answer

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.ask("EVALSHA", script.name, *rest)
        except Refused as failure:
            if not str(failure).startswith("NOSCRIPT"):
                raise
            return await self.ask("EVAL", script.code, *rest)

    async def _next(self) -> Any:
        while not self._answers:
            if self._end is not None:
                raise self._end
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            except asyncio.CancelledError:
                self._give_up("a question was cancelled")
                raise
        answer = self._answers.popleft()
        if not self._answers:
            self._unread = 0
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
        return answer

    def _give_up(self, reason: str) -> None:
        self._end = OSError(f"the line to Redis was closed: {reason}")
        self._answers.clear()  # nobody is left who has asked for them
        self._transport.abort()

    # What the loop calls

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not Ellipsis:
                self._answers.append(answer)
        except hiredis.ProtocolError as failure:
            self._give_up(f"this is no Redis: {failure}")
            self._wake()
        self._unread += len(data)
        if self._unread > MOST_UNREAD and self._answers and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        if self._answers:
            self._wake()

    def connection_lost(self, failure: Exception | None) -> None:
        self._end = self._end or OSError(str(failure or "Redis has closed the connection"))
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


@contextmanager
def failures_of_redis() -> Iterator[None]:
    """Raise OSError for what Redis, or the way to it, can't do now."""
    try:
        yield
    except RedisError as failure:
        raise OSError(str(failure) or type(failure).__name__) from failure
