"""One connection to PostgreSQL, as an agent holds it: no transaction is ever left open on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg import sql

__all__ = ["Wire", "connected", "failures_of_postgresql"]

CONNECTING = 2
"""Seconds; the least that libpq takes."""

Parameters = Mapping[str, Any]


class Wire:
    """Runs one statement at a time, each a transaction of its own; raises OSError once it is lost."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def run(self, statement: str, parameters: Parameters | None = None) -> list[Any]:
        """Run a statement; return its rows.

        Cancelled, it gives the connection up: psycopg would ask the server to stop first, and wait
        for one that hangs.
        """
        work = asyncio.ensure_future(self._run(statement, parameters))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self.close()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise

    async def _run(self, statement: str, parameters: Parameters | None) -> list[Any]:
        with failures_of_postgresql():
            cursor = await self._connection.execute(sql.SQL(statement), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def hear(self, seconds: float) -> set[str]:
        """Wait for notifications; return the channels on which some came, perhaps before the call."""
        with failures_of_postgresql():
            heard = self._connection.notifies(timeout=seconds, stop_after=1)
            async with aclosing(heard):
                return {notification.channel async for notification in heard}

    def close(self) -> None:
        """Let go of the connection at once, whatever it is doing."""
        self._connection.pgconn.finish()


@asynccontextmanager
async def connected(alias: str, *, host: str | None, port: int | None) -> AsyncIterator[Wire]:
    """Connect to the database of an alias, perhaps at another address than the site does."""
    wrapper = connections.create_connection(alias)
    parameters = {"connect_timeout": CONNECTING, **wrapper.get_connection_params()}
    for name in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(name, None)
    parameters.update({"host": host} if host else {}, **({"port": port} if port else {}))
    with failures_of_postgresql():
        connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    wire = Wire(connection)
    try:
        if role := wrapper.settings_dict["OPTIONS"].get("assume_role"):
            await wire.run("SELECT set_config('role', %(role)s, false)", {"role": role})
        yield wire
    finally:
        wire.close()
        await connection.close()


@contextmanager
def failures_of_postgresql() -> Iterator[None]:
    """Raise OSError for what PostgreSQL, or the way to it, can't do now."""
    try:
        yield
    except psycopg.Error as failure:
        raise OSError(str(failure) or type(failure).__name__) from failure
