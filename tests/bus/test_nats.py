"""NatsBus, on a real server: the contract, and nodes whose server fails them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import pytest
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.bus import Message, subscribe
from nothing_shared.bus.backends.nats_connection import Connection, connected
from tests.bus import acts
from tests.bus.brokers import Brokered, with_roster
from tests.bus.cluster import LEASE, Backend, Cluster, Node
from tests.bus.contract import NetworkContract
from tests.bus.promises_of_nodes import EVENT, USER
from tests.node import acts as node_acts
from tests.servers import NATSServer, Proxy, nats, proxied
from tests.wait import wait_until

Result = TypeVar("Result")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[NATSServer]:
    with nats() as running:
        yield running


class OnNATS(Brokered):
    path = "nothing_shared.bus.backends.nats.NatsBus"


class JetStream(OnNATS):
    replays = True


class Core(OnNATS):
    replays = False
    options = {"MODE": "core"}


@contextmanager
def ready(path: Path, blocker: DjangoDbBlocker) -> Iterator[None]:
    with blocker.unblock(), with_roster(path):
        yield


class TestJetStreamHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, server: NATSServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with ready(tmp_path, django_db_blocker):
            yield JetStream(tmp_path, server)


class TestCoreHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, server: NATSServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with ready(tmp_path, django_db_blocker):
            yield Core(tmp_path, server)


# What handlers of a worker do


@dataclass
class Trouble:
    failures: int = 0
    calls: int = 0


trouble = Trouble()


def share(topic: str, group: str, failures: int = 0) -> None:
    """Take part in a group whose handler takes a moment, and fails so many times at first."""
    trouble.failures = failures

    @subscribe(topic, group=group)
    def note(message: Message) -> None:
        trouble.calls += 1
        if trouble.calls <= trouble.failures:
            raise LookupError("not yet")
        threading.Event().wait(0.01)
        acts.heard.append(message)


def keep(topic: str) -> None:
    subscribe(topic, durable=True)(acts.heard.append)


def calls() -> int:
    return trouble.calls


def say_all(topic: str, count: int) -> float:
    """Publish 0 up to ``count``; return the seconds that took."""
    began = monotonic()
    acts.say(topic, *range(count))
    return monotonic() - began


def say_slowly(topic: str, count: int) -> None:
    """Publish what would fill the ring if it were said at once."""
    for start in range(0, count, 100):
        acts.say(topic, *range(start, start + 100))
        threading.Event().wait(0.05)


# What a test does to the server


def on(server: NATSServer, act: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Do something on a connection of one's own."""

    async def run() -> Result:
        async with connected([server.url], "test") as connection:
            return await act(connection)

    return asyncio.run(run())


def delete(server: NATSServer, namespace: str) -> None:
    name = f"nothing_shared_{namespace}"
    assert on(server, lambda connection: connection.client.jsm().delete_stream(name))


def consumers(server: NATSServer, namespace: str) -> int:
    name = f"nothing_shared_{namespace}"
    found: list[Any] = on(server, lambda c: c.client.jsm().consumers_info(name))
    return len([info for info in found if info.config.durable_name])


def node_that(cluster: Cluster, name: str, act: Callable[..., None], *args: Any) -> Node:
    """Start a node that has run something before it joined."""
    worker = cluster.start(name, lease=LEASE)
    worker.run(act, *args)
    worker.run(acts.join)
    node = Node(cluster.base / name, [worker])
    node.hears()
    return node


def hears(*nodes: Node, payload: Any) -> None:
    """Wait until nodes have heard a payload, which the first one publishes."""
    nodes[0].run(acts.say, "sold", payload)
    for node in nodes:
        wait_until(lambda node=node: payload in node.heard(), what=f"{node.directory.name} heard")


class OnJetStream:
    @pytest.fixture
    def backend(
        self, server: NATSServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[JetStream]:
        with ready(tmp_path, django_db_blocker):
            yield JetStream(tmp_path, server)
        server.thaw()


class TestJetStream(OnJetStream):
    def test_nodes_go_on_after_a_restart_of_the_server_and_nothing_is_lost(
        self, cluster: Cluster, server: NATSServer
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        hears(north, south, payload="before")
        server.stop()
        assert north.run(say_all, "sold", 5) < 5, "publishing does not wait for the server"
        wait_until(lambda: not south.run(node_acts.is_leased), what="the lease lapses")
        server.start()
        north.hears()
        south.hears()
        for node in (north, south):
            wait_until(lambda node=node: len(node.heard()) == 6, what="all were heard")
            assert node.heard() == ["before", 0, 1, 2, 3, 4]
            assert node.gaps() == []

    def test_a_stream_that_was_deleted_is_a_gap_to_all_and_they_go_on(
        self, cluster: Cluster, backend: JetStream, server: NATSServer
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        delete(server, backend.namespace)
        for node in (north, south):
            wait_until(node.gaps, what="the gap was declared")
        north.hears()
        south.hears()
        hears(north, south, payload="after")

    def test_a_node_that_was_away_for_300_messages_comes_back_warm(self, cluster: Cluster) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        epochs = south.run(node_acts.epochs)
        south.leave()
        before = north.run(node_acts.now)
        north.run(say_all, "sold", 300)
        assert north.run(node_acts.change, EVENT)
        south = cluster.node("south", "sold")
        wait_until(lambda: len(south.heard()) == 300, what="all were heard")
        assert south.heard() == [*range(300)]
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")
        assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"
        assert south.run(node_acts.epochs) == epochs
        assert south.gaps() == []

    def test_what_was_trimmed_before_it_was_read_is_a_gap(
        self, cluster: Cluster, backend: JetStream
    ) -> None:
        cluster.bus = {**backend.settings(), "OPTIONS": {"MAX_MESSAGES": 1000}}
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        epochs = south.run(node_acts.epochs)
        south.leave()
        north.run(say_slowly, "sold", 1200)
        south = cluster.node("south", "sold")
        wait_until(south.gaps, what="the gap was declared")
        assert south.run(node_acts.epochs) > epochs
        hears(north, south, payload="after")

    def test_a_server_that_hangs_keeps_nobody_from_publishing_and_nothing_is_lost(
        self, cluster: Cluster, server: NATSServer
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        server.freeze()
        assert north.run(say_all, "sold", 20) < 5
        wait_until(lambda: not south.run(node_acts.is_leased), what="the lease lapses")
        server.thaw()
        for node in (north, south):
            wait_until(lambda node=node: len(node.heard()) == 20, what="all were heard")
            assert node.heard() == [*range(20)]
            assert node.gaps() == []
        north.hears()
        south.hears()

    def test_a_connection_that_is_cut_again_and_again_loses_nothing(
        self, cluster: Cluster, server: NATSServer
    ) -> None:
        with proxied(server.port) as proxy:
            north = cluster.node("north", "sold")
            south = node_behind(cluster, proxy)
            for number in range(5):
                north.run(acts.say, "sold", number)
                proxy.cut()
                south.run(acts.say, "sold", number + 100)
            for node in (north, south):
                wait_until(lambda node=node: len(node.heard()) == 10, what="all were heard")
                assert sorted(node.heard()) == [*range(5), *range(100, 105)]
                assert node.gaps() == []


def node_behind(cluster: Cluster, proxy: Proxy) -> Node:
    location = f"nats://127.0.0.1:{proxy.port}"
    south = Node(cluster.base / "south")
    south.workers.append(cluster.worker("south", "sold", LOCATION=location))
    south.hears()
    return south


class TestGroups(OnJetStream):
    def test_two_nodes_share_what_their_group_is_sent(
        self, cluster: Cluster, backend: JetStream, server: NATSServer
    ) -> None:
        nodes = [node_that(cluster, name, share, "sold", "mail") for name in ("north", "south")]
        wait_until(lambda: consumers(server, backend.namespace), what="the group is there")
        nodes[0].run(say_all, "sold", 60)
        wait_until(lambda: sum(len(node.heard()) for node in nodes) >= 60, what="all were handled")
        north, south = (node.heard() for node in nodes)
        assert sorted(north + south) == [*range(60)], "each by exactly one"
        assert north, "its share"
        assert south, "its share"

    def test_a_handler_that_failed_is_called_again_until_it_succeeds(
        self, cluster: Cluster, backend: JetStream, server: NATSServer
    ) -> None:
        node = node_that(cluster, "north", share, "sold", "mail", 2)
        wait_until(lambda: consumers(server, backend.namespace), what="the group is there")
        node.run(say_all, "sold", 2)
        wait_until(lambda: node.heard() == [0, 1], what="it was handled")
        assert node.run(calls) == 4

    def test_what_came_while_its_node_was_away_is_handled_when_it_is_back(
        self, cluster: Cluster, backend: JetStream, server: NATSServer
    ) -> None:
        north, south = cluster.node("north"), node_that(cluster, "south", keep, "sold")
        wait_until(lambda: consumers(server, backend.namespace), what="it is subscribed")
        south.leave()
        north.run(say_all, "sold", 5)
        south = node_that(cluster, "south", keep, "sold")
        wait_until(lambda: len(south.heard()) == 5, what="all were handled")
        assert south.heard() == [*range(5)]

    def test_groups_go_on_after_a_restart_of_the_server(
        self, cluster: Cluster, backend: JetStream, server: NATSServer
    ) -> None:
        node = node_that(cluster, "north", share, "sold", "mail", 1)
        wait_until(lambda: consumers(server, backend.namespace), what="the group is there")
        node.run(acts.say, "sold", "begun")
        wait_until(lambda: node.run(calls) == 1, what="the handler has failed")
        server.stop()
        node.run(acts.say, "sold", "while it was down")
        server.start()
        wait_until(lambda: len(node.heard()) == 2, what="all were handled")
        assert sorted(node.heard()) == ["begun", "while it was down"]


class TestCore:
    @pytest.fixture
    def backend(
        self, server: NATSServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Core]:
        with ready(tmp_path, django_db_blocker):
            yield Core(tmp_path, server)

    def test_what_came_while_the_connection_was_cut_is_a_gap(
        self, cluster: Cluster, server: NATSServer
    ) -> None:
        north = cluster.node("north", "sold")
        with proxied(server.port) as proxy:
            south = node_behind(cluster, proxy)
            proxy.refuse()
            proxy.cut()
            hears(north, payload="unheard")
            proxy.accept()
            wait_until(south.gaps, what="the gap was declared")
            assert "unheard" not in south.heard()
            south.hears()
            hears(north, south, payload="after")
