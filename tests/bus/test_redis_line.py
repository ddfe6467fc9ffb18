"""An agent's connection to a real Redis: what it carries, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from nothing_shared.bus.backends.redis import RedisBus
from nothing_shared.bus.backends.redis_line import MOST_UNREAD, Line, Refused, Script
from nothing_shared.bus.conf import BusSettings
from tests.servers import RedisServer, redis

pytestmark = pytest.mark.slow

LOST = r"closed|reset|Broken pipe"
LARGE = 20_000_000
"""Bytes: more than a socket takes at once."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis() as running:
        yield running


def on(server: RedisServer, act: Callable[[Redis, Line], Awaitable[None]]) -> None:
    """Do something with a client and a line, within a time that only bounds a failure."""

    async def run() -> None:
        client = Redis.from_url(server.url)
        try:
            async with asyncio.timeout(60), Line.to_server_of(client) as line:
                await act(client, line)
        finally:
            await client.aclose()

    asyncio.run(run())


# What it carries


def test_answers_come_in_the_order_of_the_questions(server: RedisServer) -> None:
    async def act(_: Redis, line: Line) -> None:
        questions = [("ECHO", b"%d" % number) for number in range(5000)]
        assert await line.ask_all(questions) == [text for _, text in questions]
        assert await line.ask("GET", "nothing") is None
        assert await line.ask("ECHO", b"\0" * LARGE) == b"\0" * LARGE

    on(server, act)


def test_an_error_is_raised_and_the_next_question_gets_its_own_answer(server: RedisServer) -> None:
    async def act(_: Redis, line: Line) -> None:
        with pytest.raises(Refused, match="unknown command"):
            await line.ask_all([("ECHO", "1"), ("NONSENSE",), ("ECHO", "2")])
        assert await line.ask("ECHO", "3") == b"3"

    on(server, act)


def test_a_script_that_the_server_does_not_know_is_sent_once(server: RedisServer) -> None:
    script = Script("return ARGV[1]")

    async def act(_: Redis, line: Line) -> None:
        await line.ask("SCRIPT", "FLUSH")
        for text in ("a", "b"):
            assert await line.run(script, [], [text]) == text.encode()
        assert await line.ask("SCRIPT", "EXISTS", script.name) == [1]

    on(server, act)


def test_what_is_published_waits_on_the_server_while_nobody_reads(server: RedisServer) -> None:
    count = 20 * MOST_UNREAD // 1000

    async def act(client: Redis, line: Line) -> None:
        await line.ask("SUBSCRIBE", "ours")
        for start in range(0, count, 1000):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(start + 1000, count)):
                pipeline.publish("ours", f"{number} {'x' * 1000}")
            await pipeline.execute()
        while not line._is_paused:  # what is not read is not taken in without end
            await asyncio.sleep(0)
        assert len(line._answers) < count
        heard = [int((await line.answer())[2].split()[0]) for _ in range(count)]
        assert heard == list(range(count))

    on(server, act)


# How it ends


async def ask(line: Line) -> None:
    await line.ask("BLPOP", "nothing", 60)


async def listen(line: Line) -> None:
    await line.ask("SUBSCRIBE", "ours")
    await line.answer()


def end(server: RedisServer) -> None:
    """Have the server end the line, before this thread's loop can notice it."""
    with SyncRedis.from_url(server.url) as client:
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)


@pytest.mark.parametrize("waits", [ask, listen])
def test_who_waits_is_told_that_the_line_was_lost(
    server: RedisServer, waits: Callable[[Line], Awaitable[None]]
) -> None:
    async def act(_: Redis, line: Line) -> None:
        waiting = asyncio.ensure_future(waits(line))
        await asyncio.sleep(0)
        end(server)
        with pytest.raises(OSError, match=LOST):
            await waiting

    on(server, act)


def test_a_line_that_was_lost_unnoticed_is_an_error_at_once(server: RedisServer) -> None:
    async def act(_: Redis, line: Line) -> None:
        end(server)
        for _ in range(2):
            with pytest.raises(OSError, match=LOST):
                await line.ask("PING")

    on(server, act)


async def is_cancelled_and_ends(asking: asyncio.Task[None], line: Line) -> None:
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(OSError, match=LOST):
        await line.ask("PING")


def test_a_question_that_is_cancelled_ends_the_line(server: RedisServer) -> None:
    async def act(_: Redis, line: Line) -> None:
        asking = asyncio.create_task(ask(line))
        await asyncio.sleep(0)
        asking.cancel()
        await is_cancelled_and_ends(asking, line)

    on(server, act)


def test_an_answer_that_comes_as_its_question_is_cancelled_is_nobody_elses(
    server: RedisServer,
) -> None:
    async def act(_: Redis, line: Line) -> None:
        asking = asyncio.create_task(ask(line))
        await asyncio.sleep(0)
        line.data_received(b"+first\r\n")
        asking.cancel()
        await is_cancelled_and_ends(asking, line)

    on(server, act)


def test_an_error_is_raised_to_who_listens(server: RedisServer) -> None:
    async def act(_: Redis, line: Line) -> None:
        line.data_received(b"-ERR the proxy has lost its server\r\n")
        with pytest.raises(Refused, match="proxy"):
            await line.answer()

    on(server, act)


@pytest.mark.parametrize("silent_from", [{b"CLIENT"}, {b"EVALSHA", b"SUBSCRIBE"}], ids=len)
@pytest.mark.parametrize("mode", ["streams", "pubsub"])
def test_a_server_that_falls_silent_is_given_up(mode: str, silent_from: set[bytes]) -> None:
    served = list[Any]()

    async def fall_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        while said := await reader.readline():
            if said.startswith(b"*"):
                await reader.readline()
                if (await reader.readline()).strip() in silent_from:
                    break
                writer.write(b"+OK\r\n")
        await reader.read()
        writer.close()

    async def act() -> None:
        async with (
            asyncio.timeout(30),
            await asyncio.start_server(fall_silent, "127.0.0.1", 0) as listening,
        ):
            url = f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            bus = RedisBus(BusSettings(location=url, options={"MODE": mode}))
            with pytest.raises(TimeoutError):
                await bus.connect(cast(Any, SimpleNamespace(name="north")), None).__aenter__()
            await asyncio.gather(*served)

    asyncio.run(act())


def test_a_socket_without_a_port_will_do(tmp_path: Path) -> None:
    path = tmp_path / "redis"

    async def act() -> None:
        client = RedisBus(BusSettings(location=f"unix://{path}"))._client()
        async with Line.to_server_of(client) as line:
            assert await line.ask("ECHO", "it") == b"it"
        await client.aclose()

    with redis("--unixsocket", str(path)):
        asyncio.run(act())


def test_a_server_that_is_no_redis_is_an_error() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n")
        writer.close()

    async def act() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            line = Line(writer.transport)
            writer.transport.set_protocol(line)
            with pytest.raises(OSError, match="no Redis"):
                await line.answer()

    asyncio.run(act())
