"""One connection to Redis, spoken to directly: a bus asks few things, each of them in a hurry."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError

__all__ = ["Line", "Script", "failures_of_redis"]


class Script:
    """Code that Redis runs, and the name that it has there."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.name = hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()


class Line:
    """A connection outside the client's pool, which would prove each one anew before every command.

    Answers come in the order of the questions; one that was cancelled leaves the line of no use.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def to_server_of(cls, client: Redis) -> AsyncIterator[Line]:
        pool: Any = client.connection_pool
        # By the protocol in which what is published comes in like an answer.
        connection = pool.connection_class(**{**pool.connection_kwargs, "protocol": 2})
        try:
            with failures_of_redis():
                await connection.connect()
            yield cls(connection)
        finally:
            await connection.disconnect(nowait=True)

    async def ask(self, *command: Any) -> Any:
        return (await self.ask_all([command]))[0]

    async def ask_all(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        """Send some commands at once, and return the answers; raise the first that is an error."""
        asked = list(commands)
        connection = self._connection
        packed = connection.pack_commands(asked)
        await connection.send_packed_command(packed, check_health=False)
        return [await self.answer() for _ in asked]

    async def answer(self) -> Any:
        """Wait for the next answer, or for what is published on a line that has subscribed."""
        return await self._connection.read_response(disable_decoding=True)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.ask("EVALSHA", script.name, *rest)
        except NoScriptError:
            return await self.ask("EVAL", script.code, *rest)


@contextmanager
def failures_of_redis() -> Iterator[None]:
    """Raise OSError for what Redis, or the way to it, can't do now."""
    try:
        yield
    except RedisError as failure:
        raise OSError(str(failure) or type(failure).__name__) from failure
