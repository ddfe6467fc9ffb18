"""The same site under ASGI and WSGI servers: every request is a unit of work of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import pytest

from tests.cluster.harness import Cluster
from tests.cluster.web import GUNICORN, THREADS, UVICORN, WebServer, serving
from tests.cluster.zygote import Zygote
from tests.wait import wait_until

SERVERS = {"uvicorn": UVICORN, "gunicorn": GUNICORN, "gunicorn with threads": THREADS}
EMPTY = ["{}", "{}", 0]


@pytest.fixture(scope="module")
def shared(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("asgi")
    directory.chmod(0o700)
    cluster = Cluster(zygote, directory)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def uvicorn(shared: Cluster) -> Iterator[WebServer]:
    with serving(shared, "asgi", UVICORN) as server:
        yield server


def pipelined(port: int, paths: list[str]) -> list[Any]:
    """Send all requests at once over one connection, as HTTP/1.1 allows, and read the answers."""
    requests = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths)
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(requests.encode())
        with connection.makefile("rb") as stream:
            for _ in paths:
                assert b" 200 " in stream.readline()
                while stream.readline() != b"\r\n":
                    pass
                answers.append(json.loads(b"".join(chunks(stream))))
    return answers


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a body whose length its headers don't say."""
    while length := int(stream.readline(), 16):
        yield stream.read(length)
        stream.readline()
    stream.readline()


def test_forty_requests_at_once_observe_nothing_of_each_other(uvicorn: WebServer) -> None:
    def ask(number: int) -> Any:
        return uvicorn.ask(f"/scope/?pk={number % 5 + 1}")

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(ask, range(40)))
    for answer in answers:
        assert answer["before"] == EMPTY
        assert answer["reads"] == [[str(answer["pk"])]]


def test_requests_that_follow_each_other_on_a_connection_observe_nothing_of_each_other(
    uvicorn: WebServer,
) -> None:
    with uvicorn.client() as client:
        answers = [client.ask(f"/scope/?pk={number % 5 + 1}") for number in range(10)]
    answers += pipelined(uvicorn.port, [f"/scope/?pk={n % 5 + 1}" for n in range(10)])
    for answer in answers:
        assert answer["before"] == EMPTY
        assert answer["reads"] == [[str(answer["pk"])]]


def test_what_one_request_missed_makes_no_fill_of_the_next_ones_set(uvicorn: WebServer) -> None:
    (both,) = pipelined(uvicorn.port, ["/missed/?miss&set=fill"])
    assert not both["is_change"], "a miss, then a set, in one request"
    answers = pipelined(uvicorn.port, ["/missed/?miss", "/missed/?set=replaced", "/missed/?miss"])
    assert [answer["is_change"] for answer in answers] == [False, True, False]
    with uvicorn.client() as client:
        client.ask("/missed/?miss")
        assert client.ask("/missed/?set=again")["is_change"]


@pytest.mark.parametrize("pk", [1, 2, 3, 4])
def test_reads_in_threads_subtasks_and_loops_are_their_requests(
    uvicorn: WebServer, shared: Cluster, pk: int
) -> None:
    wait_until(lambda: uvicorn.ask("/mixed/")["tier"] == "l1", what="the fill to be kept")
    before = uvicorn.ask("/mixed/")["sold"]
    assert uvicorn.ask("/stalls/5/sell/", "POST")
    assert uvicorn.ask("/mixed/")["tier"] == "l1", "of a row that nobody read"
    uvicorn.ask(f"/stalls/{pk}/asell/", "POST")
    answer = uvicorn.ask("/mixed/")
    assert answer["tier"] == "miss"
    expected = [sold + (number == pk) for number, sold in enumerate(before, start=1)]
    assert answer["sold"] == expected


def test_a_hundred_requests_mixed_at_random_are_all_true(uvicorn: WebServer) -> None:
    sold_before = uvicorn.ask("/stalls/3/")["sold"]

    def act(number: int) -> int:
        cookies: dict[str, str] = {}
        with uvicorn.client(cookies=cookies) as client:
            if number % 4:
                return int(client.ask("/stalls/3/a/")["sold"])
            mine = client.ask("/stalls/3/asell/", "POST")["sold"]
            assert len(cookies) == 1, "a ticket"
            assert client.ask("/stalls/3/a/")["sold"] >= mine, "its own write"
            return int(mine)

    with ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(act, range(100)))
    assert uvicorn.ask("/stalls/3/a/")["sold"] == sold_before + 25
    assert max(seen) <= sold_before + 25


def test_an_async_request_that_wrote_hands_out_a_ticket(uvicorn: WebServer) -> None:
    cookies: dict[str, str] = {}
    uvicorn.ask("/stalls/1/asell/", "POST", cookies)
    assert len(cookies) == 1
    before = dict(cookies)
    uvicorn.ask("/stalls/1/a/", cookies=cookies)
    assert cookies == before
    uvicorn.ask("/stalls/2/asell/", "POST", cookies)
    assert len(cookies) == 1
    assert cookies.keys().isdisjoint(before)


def test_a_stream_hands_out_a_ticket_for_what_was_written_before_it(uvicorn: WebServer) -> None:
    cookies: dict[str, str] = {}
    assert uvicorn.ask("/streamed/", cookies=cookies).endswith(" sold")
    assert len(cookies) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_read_your_writes_behind_any_server(
    make_cluster: Callable[..., Cluster], name: str
) -> None:
    """The node elsewhere is deaf: the client itself brings the news."""
    cluster = make_cluster(CLUSTER_LEASE="60")
    agent = cluster.worker("b")
    with (
        serving(cluster, "a", SERVERS[name]) as here,
        serving(cluster, "b", SERVERS[name]) as there,
    ):
        for server in (here, there):
            assert server.ask("/stalls/1/")["sold"] == 0
        os.kill(agent.pid, signal.SIGSTOP)
        cookies: dict[str, str] = {}
        for sold in range(1, 4):
            assert here.ask("/stalls/1/sell/", "POST", cookies) == {"sold": sold}
            assert len(cookies) == 1
            assert there.ask("/stalls/1/", cookies=cookies)["sold"] == sold
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: here.ask("/stalls/1/sell/", "POST"), range(8)))
        assert here.ask("/stalls/1/")["sold"] == 11
        os.kill(agent.pid, signal.SIGCONT)
        wait_until(lambda: there.ask("/stalls/1/")["sold"] == 11, what="the news")
