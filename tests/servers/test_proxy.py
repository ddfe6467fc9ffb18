"""The proxy does to a connection what a network can."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import pytest

from tests.servers import Proxy, RedisServer, proxied, redis
from tests.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis() as started:
        yield started


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    with proxied(server.port) as started:
        yield started


@contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    """Connect through the proxy, as far as the server."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        assert ask(client) == b"+PONG\r\n"
        yield client


def ask(client: socket.socket) -> bytes:
    client.sendall(b"PING\r\n")
    return client.recv(100)


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(0.3)
    try:
        client.recv(100)
    except TimeoutError:
        return True
    finally:
        client.settimeout(30)
    return False


def test_a_cut_resets_all_connections_and_lets_new_ones_be_made(proxy: Proxy) -> None:
    with connected(proxy) as one, connected(proxy) as two:
        proxy.cut()
        for client in (one, two):
            with pytest.raises(ConnectionResetError):
                client.recv(100)
    with connected(proxy):
        assert proxy.connections == 1


def test_refusing_leaves_the_connections_that_there_are(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
        assert ask(client) == b"+PONG\r\n"
        proxy.accept()
        with connected(proxy):
            assert proxy.connections == 2


def test_a_frozen_line_carries_nothing_until_it_thaws(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.freeze()
        client.sendall(b"PING\r\n")
        assert hears_nothing(client)
        proxy.thaw()
        assert client.recv(100) == b"+PONG\r\n"


def test_a_frozen_line_does_not_tell_that_the_server_is_gone() -> None:
    with redis() as server, proxied(server.port) as proxy, connected(proxy) as client:
        proxy.freeze()
        server.kill()
        assert hears_nothing(client)
        proxy.thaw()
        assert client.recv(100) == b""


def test_a_delay_holds_up_both_ways(proxy: Proxy) -> None:
    with connected(proxy) as client:
        proxy.delay(0.1)
        before = monotonic()
        assert ask(client) == b"+PONG\r\n"
        assert monotonic() - before >= 0.2


def test_many_bytes_arrive_in_order(proxy: Proxy) -> None:
    text = bytes(range(256)) * 40_000
    with connected(proxy) as client, client.makefile("rwb") as file:
        file.write(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (len(text), text))
        file.flush()
        assert file.readline() == b"$%d\r\n" % len(text)
        assert file.read(len(text)) == text


def test_a_client_of_a_server_that_is_down_is_reset() -> None:
    with redis() as server, proxied(server.port) as proxy:
        server.stop()
        with (
            suppress(ConnectionResetError),
            socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client,
        ):
            assert ask(client) == b""
        server.start()
        with connected(proxy):
            pass
        wait_until(lambda: proxy.connections == 0)
