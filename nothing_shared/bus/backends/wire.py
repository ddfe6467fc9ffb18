"""One connection to PostgreSQL, as an agent holds it: no transaction is ever left open on it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import connections
from psycopg import sql
from psycopg.pq import ConnStatus, DiagnosticField, Escaping, ExecStatus

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

__all__ = ["Refused", "Wire", "connected"]

CONNECTING = 2
"""Seconds; the least that libpq takes."""

Parameters = Mapping[str, Any]

PARAMETER = re.compile(r"%\((\w+)\)s")

BOOLEAN, BYTES, BIGINT = 16, 17, 20
"""Types, as PostgreSQL numbers them."""

READERS: Mapping[int, Callable[[bytes], Any]] = {
    BOOLEAN: lambda text: text == b"t",
    BYTES: Escaping().unescape_bytea,  # in both of the formats that a server may be set to
    BIGINT: int,
}
"""Everything else is text."""


class Refused(OSError):
    """An error that the server has answered with."""

    def __init__(self, text: str, sqlstate: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class Wire:
    """Runs one statement at a time, each a transaction of its own; raises OSError once it is lost.

    This is libpq's asynchronous use, as its manual describes it, without a cursor's comfort: an
    agent asks few things, each of them in a hurry.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._loop = asyncio.get_running_loop()
        self._fd = pgconn.socket
        self._prepared: dict[str, tuple[bytes, tuple[str, ...]]] = {}
        """What each statement is called on this connection, and its parameters in their order."""
        self._news: asyncio.Future[None] = self._loop.create_future()
        """Done once something has come, or the connection has ended."""
        self._end: Exception | None = None
        self._is_closed = False
        self._loop.add_reader(self._fd, self._take_in)

    async def run(self, statement: str, parameters: Parameters | None = None) -> list[Any]:
        """Run a statement with parameters like ``%(name)s``; return its rows.

        Raises Refused. Cancelled, it gives the connection up: to have the server stop first would
        mean to wait for one that hangs.
        """
        try:
            with failures_of_postgresql():
                return rows_of(await self._run(statement, parameters))
        except Refused:
            raise
        except BaseException:
            self.close()
            raise

    async def _run(self, statement: str, parameters: Parameters | None) -> PGresult:
        if parameters is None:
            self._pgconn.send_query(statement.encode())
            return await self._answer()
        if statement not in self._prepared:
            text, names = positional(statement)
            name = b"%d" % len(self._prepared)
            self._pgconn.send_prepare(name, text)
            await self._answer()
            self._prepared[statement] = name, names
        name, names = self._prepared[statement]
        values = [written(parameters[key]) for key in names]
        formats = [int(isinstance(parameters[key], bytes)) for key in names]
        self._pgconn.send_query_prepared(name, values, formats)
        return await self._answer()

    async def _answer(self) -> PGresult:
        pgconn, last = self._pgconn, None
        while pgconn.flush():
            await self._writable()
        while True:
            while pgconn.is_busy():
                await self._more()
            result = pgconn.get_result()
            if result is None:
                break
            last = result
        if last is None:
            raise OSError("the server has closed the connection")
        if pgconn.status != ConnStatus.OK:
            raise OSError(last.error_message.decode(errors="replace"))
        return checked(last)

    async def hear(self, seconds: float) -> set[str]:
        """Wait for notifications; return the channels on which some came, perhaps before the call."""
        with failures_of_postgresql():
            heard = self._heard()
            if heard:
                return heard
            timer = self._loop.call_later(seconds, self._wake)
            try:
                await self._more()
            finally:
                timer.cancel()
            return self._heard()

    def _heard(self) -> set[str]:
        heard = set[str]()
        while (notification := self._pgconn.notifies()) is not None:
            heard.add(notification.relname.decode())
        return heard

    def close(self) -> None:
        """Let go of the connection at once, whatever it is doing."""
        if not self._is_closed:  # else that number may be another socket's by now
            self._is_closed = True
            self._end = self._end or OSError("the connection was closed")
            for forget in (self._loop.remove_writer, self._loop.remove_reader):
                with suppress(OSError):  # libpq has closed it already
                    forget(self._fd)
            self._pgconn.finish()
            self._wake()

    # Waiting

    async def _more(self) -> None:
        """Wait until more has come; raise what ended the connection, if that has."""
        if self._end is None:
            self._news = self._loop.create_future()
            await self._news
        if self._end is not None:
            raise self._end

    def _take_in(self) -> None:
        try:
            self._pgconn.consume_input()
        except psycopg.Error as failure:
            self._end = failure
            self.close()
        self._wake()

    def _wake(self) -> None:
        if not self._news.done():
            self._news.set_result(None)

    async def _writable(self) -> None:
        self._loop.add_writer(self._fd, self._wake)
        try:
            await self._more()
        finally:
            if not self._is_closed:
                self._loop.remove_writer(self._fd)


def positional(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with its parameters numbered, and their names in that order."""
    names = dict.fromkeys(PARAMETER.findall(statement))
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
    text = PARAMETER.sub(lambda found: numbers[found[1]], statement)
    return text.encode(), tuple(names)


def written(value: Any) -> bytes | None:
    """Return a value as PostgreSQL reads it: a list as an array, bytes as they are."""
    if value is None or isinstance(value, bytes):
        return value
    text = f"{{{','.join(map(element, value))}}}" if isinstance(value, list) else str(value)
    if "\0" in text:  # where libpq would end it
        raise OSError(f"PostgreSQL holds no text with a NUL in it: {text[:100]!r}")
    return text.encode()


def element(value: str | bytes) -> str:
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else value
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def checked(result: PGresult) -> PGresult:
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return result
    text = result.error_message.decode(errors="replace")
    raise Refused(text, (result.error_field(DiagnosticField.SQLSTATE) or b"").decode())


def rows_of(result: PGresult) -> list[Any]:
    readers = [READERS.get(result.ftype(column), bytes.decode) for column in range(result.nfields)]
    return [
        tuple(
            None if (value := result.get_value(row, column)) is None else read(value)
            for column, read in enumerate(readers)
        )
        for row in range(result.ntuples)
    ]


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
    try:
        if role := wrapper.settings_dict["OPTIONS"].get("assume_role"):
            with failures_of_postgresql():
                await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        with closing(Wire(connection.pgconn)) as wire:
            yield wire
    finally:
        await connection.close()


@contextmanager
def failures_of_postgresql() -> Iterator[None]:
    """Raise OSError for what PostgreSQL, or the way to it, can't do now."""
    try:
        yield
    except psycopg.Error as failure:
        raise OSError(str(failure) or type(failure).__name__) from failure
