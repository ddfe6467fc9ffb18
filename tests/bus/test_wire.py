"""An agent's connection to a real PostgreSQL: what it carries, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import chain

import psycopg
import pytest

from nothing_shared.bus.backends.wire import Refused, Wire
from tests.servers import PostgreSQLServer, postgresql, proxied

pytestmark = pytest.mark.slow

TEXTS = [
    "",
    " ",
    "a",
    '"',
    "\\",
    '\\"',
    "{}",
    "{a,b}",
    "NULL",
    "%(name)s",
    "$1",
    "'",
    "\n\t",
    "äöü🎟",
]
PACKETS = [b"", b"\0", b"\\", b"\\x", bytes(range(256))]
GONE = r"terminat|closed|no connection|not connected"
LARGE = 40_000_000
"""Bytes: more than a socket takes at once."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQLServer]:
    with postgresql() as running:
        yield running


@asynccontextmanager
async def wired(server: PostgreSQLServer) -> AsyncIterator[Wire]:
    connection = await psycopg.AsyncConnection.connect(server.url, autocommit=True)
    wire = Wire(connection.pgconn)
    try:
        yield wire
    finally:
        wire.close()
        await connection.close()


def on(server: PostgreSQLServer, act: Callable[[Wire], Awaitable[None]]) -> None:
    """Do something on a connection, within a time that only bounds a failure."""

    async def run() -> None:
        async with asyncio.timeout(30), wired(server) as wire:
            await act(wire)

    asyncio.run(run())


# What it carries


def test_values_come_back_as_they_were(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        for text in TEXTS:
            assert await wire.run("SELECT %(text)s::text", {"text": text}) == [(text,)]
        for packet in PACKETS:
            assert await wire.run("SELECT %(it)s::bytea", {"it": packet}) == [(packet,)]
        for number in (0, -1, 2**63 - 1):
            assert await wire.run("SELECT %(it)s::bigint", {"it": number}) == [(number,)]
        nothing = await wire.run("SELECT %(it)s::text, true, false", {"it": None})
        assert nothing == [(None, True, False)]

    on(server, act)


def test_lists_come_back_in_their_order(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        statement = "SELECT * FROM unnest(%(texts)s::text[], %(packets)s::bytea[])"
        packets = [PACKETS[number % len(PACKETS)] for number in range(len(TEXTS))]
        rows = await wire.run(statement, {"texts": TEXTS, "packets": packets})
        assert rows == list(zip(TEXTS, packets, strict=True))
        assert await wire.run(statement, {"texts": [], "packets": []}) == []

    on(server, act)


def test_one_parameter_may_stand_in_several_places(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        statement = "SELECT %(b)s::int - %(a)s::int, %(a)s::int"
        assert await wire.run(statement, {"a": 1, "b": 3}) == [("2", "1")]

    on(server, act)


def test_what_no_socket_takes_at_once_is_sent(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        packet = b"\0" * LARGE
        rows = await wire.run("SELECT length(%(it)s::bytea)::bigint", {"it": packet})
        assert rows == [(LARGE,)]

    on(server, act)


def test_notifications_that_came_with_an_answer_are_heard(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        await wire.run("LISTEN ours")
        await wire.run("SELECT pg_notify(%(channel)s, '')", {"channel": "ours"})
        assert await wire.hear(30) == {"ours"}
        assert await wire.hear(0.01) == set()

    on(server, act)


def test_what_the_server_refuses_is_told_and_the_next_statement_runs(
    server: PostgreSQLServer,
) -> None:
    async def act(wire: Wire) -> None:
        for statement in ("SELECT 1 / %(it)s::int", "SELECT nonsense(%(it)s::int)"):
            for _ in range(2):
                with pytest.raises(Refused, match=r"division|nonsense") as raised:
                    await wire.run(statement, {"it": 0})
        assert raised.value.sqlstate == "42883"
        assert await wire.run("SELECT %(it)s::bigint", {"it": 7}) == [(7,)]

    on(server, act)


def test_packets_are_read_however_the_server_is_set_to_write_them(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        for output in ("escape", "hex"):
            await wire.run(f"SET bytea_output = {output}")
            for packet in (*PACKETS, b"ab1234"):
                assert await wire.run("SELECT %(it)s::bytea", {"it": packet}) == [(packet,)]

    on(server, act)


@pytest.mark.parametrize("value", ["a\0b", ["a\0b"]], ids=["text", "list"])
def test_a_nul_is_refused_and_not_the_end_of_a_text(
    server: PostgreSQLServer, value: object
) -> None:
    async def act(wire: Wire) -> None:
        with pytest.raises(OSError, match="NUL"):
            await wire.run("SELECT %(it)s::text", {"it": value})

    on(server, act)


# How it ends


def end(server: PostgreSQLServer, pid: int) -> None:
    """Have the server end a connection, before this thread's loop can notice it."""
    server.ask("SELECT pg_terminate_backend(%s, 5000)", pid)


async def pid_of(wire: Wire) -> int:
    ((pid,),) = await wire.run("SELECT pg_backend_pid()::bigint")
    return int(pid)


async def ask(wire: Wire) -> None:
    await wire.run("SELECT pg_sleep(60)")


async def hear(wire: Wire) -> None:
    while not await wire.hear(60):
        pass


@pytest.mark.parametrize("waits", [ask, hear])
def test_who_waits_is_told_that_the_connection_was_lost(
    server: PostgreSQLServer, waits: Callable[[Wire], Coroutine[None, None, None]]
) -> None:
    async def act(wire: Wire) -> None:
        pid = await pid_of(wire)
        waiting = asyncio.create_task(waits(wire))
        await asyncio.sleep(0)
        end(server, pid)
        with pytest.raises(OSError, match=GONE):
            await waiting

    on(server, act)


@pytest.mark.parametrize("waits", [ask, hear])
def test_a_connection_that_was_lost_unnoticed_is_an_error_at_once(
    server: PostgreSQLServer, waits: Callable[[Wire], Coroutine[None, None, None]]
) -> None:
    async def act(wire: Wire) -> None:
        end(server, await pid_of(wire))
        with pytest.raises(OSError, match=GONE):
            await waits(wire)

    on(server, act)


def test_a_statement_that_is_cancelled_gives_the_connection_up(server: PostgreSQLServer) -> None:
    async def act(wire: Wire) -> None:
        work = asyncio.create_task(ask(wire))
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        with pytest.raises(OSError, match=GONE):
            await wire.run("SELECT 1")

    on(server, act)


def test_who_waits_to_send_is_told_that_the_connection_was_lost(server: PostgreSQLServer) -> None:
    troubles: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, trouble: troubles.append(trouble)
        )
        with proxied(server.port) as proxy:
            url = server.url.replace(f":{server.port}", f":{proxy.port}")
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
            wire = Wire(connection.pgconn)
            statement = "SELECT length(%(it)s::bytea)"
            await wire.run(statement, {"it": b""})
            proxy.freeze()
            sending = asyncio.create_task(wire.run(statement, {"it": b"\0" * LARGE}))
            await asyncio.sleep(0)
            proxy.cut()
            async with asyncio.timeout(30):
                with pytest.raises(OSError, match=GONE):
                    await sending
            await connection.close()

    asyncio.run(run())
    assert not troubles


def test_a_socket_that_has_got_the_number_of_a_closed_one_is_left_alone(
    server: PostgreSQLServer,
) -> None:
    async def act(wire: Wire) -> None:
        number = wire._fd
        wire.close()
        pairs = [socket.socketpair()]
        while number not in [mine.fileno() for pair in pairs for mine in pair]:
            pairs.append(socket.socketpair())
        (theirs,) = (
            theirs
            for pair in pairs
            for mine, theirs in (pair, reversed(pair))
            if mine.fileno() == number
        )
        came = asyncio.Event()
        asyncio.get_running_loop().add_reader(number, came.set)
        wire.close()
        theirs.send(b"!")
        await came.wait()
        asyncio.get_running_loop().remove_reader(number)
        for either in chain.from_iterable(pairs):
            either.close()

    on(server, act)
