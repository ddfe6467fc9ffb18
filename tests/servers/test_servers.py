"""Each server starts, is heard on the loopback alone, keeps its data and can be harmed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import carehare
import psycopg
import pytest
from nats import connect as connect_to_nats
from redis import Redis

from tests.processes import family, open_files
from tests.servers import (
    NATSServer,
    PgBouncerServer,
    PostgreSQLServer,
    RabbitMQServer,
    RedisServer,
    Server,
    nats,
    pgbouncer,
    postgresql,
    rabbitmq,
    redis,
)
from tests.servers.rabbitmq import PROGRAM as RABBITMQ

pytestmark = pytest.mark.slow

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


@contextmanager
def pooled_postgresql() -> Iterator[PgBouncerServer]:
    with postgresql() as postgres, pgbouncer(postgres) as server:
        yield server


@pytest.fixture(scope="module", params=[nats, pooled_postgresql, postgresql, rabbitmq, redis])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    start: Callable[[], AbstractContextManager[Server]] = request.param
    if start is rabbitmq and not RABBITMQ.exists():
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    if start is pooled_postgresql and not Path("/usr/sbin/pgbouncer").exists():
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    with start() as started:
        yield started
    assert not started.home.exists()


def test_a_server_is_heard_on_the_loopback_alone(server: Server) -> None:
    heard = listening(family(os.getpid()))
    assert f"{server.port:04X}" in {port for _, port in heard}
    assert {address for address, _ in heard} <= LOOPBACK


def test_a_server_keeps_its_port_and_its_data_when_it_restarts(server: Server) -> None:
    key, port = os.urandom(8).hex(), server.port
    write(server, key)
    server.stop()
    server.start()
    assert server.port == port
    assert is_written(server, key)


def test_a_killed_server_starts_again(server: Server) -> None:
    server.kill()
    assert not server.answers()
    server.start()
    assert server.answers()


def test_a_frozen_server_keeps_its_clients_waiting(server: Server) -> None:
    with ThreadPoolExecutor() as client:
        server.freeze()
        answer = client.submit(server.answers)
        with pytest.raises(TimeoutError):
            answer.result(timeout=0.3)
        server.thaw()
        assert answer.result(timeout=30)


def listening(processes: list[int]) -> set[tuple[str, str]]:
    """Return the address and port, in hexadecimal, of each socket on which processes listen."""
    held = {name for process in processes for name in open_files(process).values()}
    sockets = [line.split() for name in ("tcp", "tcp6") for line in table(name)]
    return {
        (address, port)
        for _, local, _, state, *_, inode in (words[:10] for words in sockets)
        for address, port in [local.split(":")]
        if state == "0A" and f"socket:[{inode}]" in held
    }


def table(name: str) -> list[str]:
    return Path(f"/proc/net/{name}").read_text().splitlines()[1:]


def write(server: Server, key: str) -> None:
    match server:
        case NATSServer():
            asyncio.run(visit_nats(server.url, key, write=True))
        case RabbitMQServer():
            asyncio.run(visit_rabbitmq(server.url, key, write=True))
        case RedisServer():
            with Redis.from_url(server.url) as client:
                client.set(key, key)
        case PostgreSQLServer() | PgBouncerServer():
            with psycopg.connect(server.url) as connection:
                connection.execute(f'CREATE TABLE "{key}" ()')


def is_written(server: Server, key: str) -> bool:
    match server:
        case NATSServer():
            return asyncio.run(visit_nats(server.url, key))
        case RabbitMQServer():
            return asyncio.run(visit_rabbitmq(server.url, key))
        case RedisServer():
            with Redis.from_url(server.url) as client:
                return bool(client.get(key) == key.encode())
        case PostgreSQLServer() | PgBouncerServer():
            with psycopg.connect(server.url) as connection:
                found = connection.execute("SELECT to_regclass(%s)", [f'"{key}"']).fetchone()
                return found != (None,)
    raise AssertionError(server)


async def visit_nats(url: str, key: str, *, write: bool = False) -> bool:
    client = await connect_to_nats(url)
    try:
        streams = client.jetstream()
        if write:
            await streams.add_stream(name=key, subjects=[key])
            await streams.publish(key, key.encode())
        return bool((await streams.get_msg(key, seq=1)).data == key.encode())
    finally:
        await client.close()


async def visit_rabbitmq(url: str, key: str, *, write: bool = False) -> bool:
    async with carehare.connect(url) as connection:
        await connection.queue_declare(key, durable=True, passive=not write)
        return True
