"""Durable subscriptions and groups over Redis Streams, and a node that comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.bus import acts
from tests.bus.brokers import with_roster
from tests.bus.cluster import Backend, Cluster, Node
from tests.bus.test_nats import calls, keep, share
from tests.bus.test_redis import Streams
from tests.node import acts as node_acts
from tests.servers import RedisServer, redis
from tests.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis() as running:
        yield running


@pytest.fixture
def backend(
    server: RedisServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Backend]:
    with django_db_blocker.unblock(), with_roster(tmp_path):
        yield Streams(tmp_path, server)


def has_group(server: RedisServer, cluster: Cluster) -> None:
    """Wait until a handler's group is there: what was said before is not for it."""
    import redis as client

    with client.Redis.from_url(server.url) as asked:
        wait_until(
            lambda: asked.keys(f"*{cluster.bus['NAMESPACE']}*:topic:sold"), what="the group is made"
        )


def test_two_nodes_share_what_their_group_is_sent(cluster: Cluster, server: RedisServer) -> None:
    north, south = cluster.node("north"), cluster.node("south")
    for node in (north, south):
        node.run(share, "sold", "mail")
    has_group(server, cluster)
    north.run(acts.say, "sold", *range(40))
    wait_until(lambda: len(north.heard()) + len(south.heard()) >= 40, 30, what="all were handled")
    assert sorted(north.heard() + south.heard()) == [*range(40)]
    assert north.heard()
    assert south.heard()


def test_a_handler_that_failed_is_called_again_until_it_succeeds(cluster: Cluster) -> None:
    north = cluster.node("north")
    north.run(share, "sold", "mail", 2)
    wait_until(lambda: north.run(say_until_heard) is not None, 30, what="it is handled")
    assert north.run(calls) >= 3


def say_until_heard() -> object:
    if not acts.heard:
        acts.say("sold", "one")
    return acts.heard[0].payload if acts.heard else None


def test_what_came_while_its_node_was_away_is_handled_when_it_is_back(
    cluster: Cluster, server: RedisServer
) -> None:
    north, south = cluster.node("north"), cluster.node("south")
    south.run(keep, "sold")
    wait_until(lambda: (north.run(acts.say, "sold", 0), south.heard())[1], 30, what="it is durable")
    south.leave()
    north.run(acts.say, "sold", "while it was away")
    south = Node(cluster.base / "south", [cluster.start("south")])
    south.run(keep, "sold")
    south.run(acts.join)
    wait_until(lambda: "while it was away" in south.heard(), 30, what="it is handled")


def test_a_node_that_was_away_for_300_messages_comes_back_warm(cluster: Cluster) -> None:
    north, south = cluster.node("north"), cluster.node("south", "sold")
    south.leave()
    south = cluster.node("south", "sold")
    epochs = south.run(node_acts.epochs)
    south.leave()
    for start in range(0, 300, 100):
        north.run(acts.say, "sold", *range(start, start + 100))
    south = cluster.node("south", "sold")
    assert south.run(node_acts.epochs) == epochs
    assert south.gaps() == []
