"""Groups and durable subscriptions on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.bus import Message, subscribe
from nothing_shared.bus.backends.progress import Progress, Snapshot
from tests.bus import acts
from tests.bus.cluster import Cluster, Node
from tests.bus.on_postgres import OnPostgreSQL, SoonTrimmed, session, site_on_postgresql
from tests.node.workers import Workers
from tests.servers import PostgreSQLServer
from tests.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(django_db_blocker: DjangoDbBlocker) -> Iterator[PostgreSQLServer]:
    with site_on_postgresql(django_db_blocker) as running:
        yield running


@pytest.fixture
def backend(server: PostgreSQLServer, tmp_path: Path) -> OnPostgreSQL:
    return OnPostgreSQL(tmp_path, server)


@pytest.fixture
def short_lived(server: PostgreSQLServer, tmp_path: Path) -> OnPostgreSQL:
    return SoonTrimmed(tmp_path, server)


def work(group: str, failures: int = 0, seconds: float = 0.0) -> None:
    """Take part in a group, or be one; fail so many times at first."""
    left = [failures]

    @subscribe("sold", durable=True, group=group)
    def note(message: Message) -> None:
        acts.heard.append(message)
        threading.Event().wait(seconds)
        if left[0]:
            left[0] -= 1
            raise LookupError("not yet")


def node_that_works(cluster: Cluster, name: str, group: str, *how: float) -> Node:
    node = Node(cluster.base / name, [cluster.start(name)])
    node.run(work, group, *how)
    node.run(acts.join)
    node.hears()
    return node


def groups_are_made(backend: OnPostgreSQL, count: int = 1) -> None:
    assert isinstance(backend.server, PostgreSQLServer)
    asked = "SELECT count(*) FROM nothing_shared_bus_group WHERE namespace = %s"
    with session(backend.server) as raw:
        where = (backend.namespace,)
        wait_until(lambda: raw.execute(asked, where).fetchone() == (count,), what="it is made")


def test_members_share_what_their_group_is_sent(cluster: Cluster, backend: OnPostgreSQL) -> None:
    nodes = [node_that_works(cluster, name, "mail", 0, 0.01) for name in ("north", "south")]
    groups_are_made(backend)
    nodes[0].run(acts.say, "sold", *range(60))
    wait_until(lambda: sum(len(node.heard()) for node in nodes) >= 60, what="all were handled")
    north, south = (node.heard() for node in nodes)
    assert sorted(north + south) == [*range(60)], "each by exactly one"
    print(f"shares of 60: {len(north)} and {len(south)}")
    assert north == sorted(north) and south == sorted(south)
    assert min(len(north), len(south)) >= 10, "its share"


def test_a_handler_that_failed_is_called_again_until_it_succeeds(
    cluster: Cluster, backend: OnPostgreSQL
) -> None:
    node = node_that_works(cluster, "north", "mail", 2)
    groups_are_made(backend)
    node.run(acts.say, "sold", 1, 2)
    wait_until(lambda: node.heard() == [1, 1, 1, 2], what="it was handled")


def test_a_message_of_a_member_that_is_killed_is_taken_over(
    cluster: Cluster, backend: OnPostgreSQL
) -> None:
    north = node_that_works(cluster, "north", "mail", 0, 30.0)
    groups_are_made(backend)
    north.run(acts.say, "sold", 1, 2)
    wait_until(lambda: north.heard() == [1], what="it is being worked on")
    south = node_that_works(cluster, "south", "mail")
    assert south.heard() == [], "one at a time"
    north.kill()
    began = time.monotonic()
    wait_until(lambda: south.heard() == [1, 2], what="it was taken over")
    print(f"taken over after {time.monotonic() - began:.3f} s")


def test_a_durable_subscription_gets_what_came_while_its_node_was_away(
    cluster: Cluster, backend: OnPostgreSQL
) -> None:
    north, south = cluster.node("north"), node_that_works(cluster, "south", "")
    groups_are_made(backend)
    south.leave()
    north.run(acts.say, "sold", *range(5))
    south = node_that_works(cluster, "south", "")
    wait_until(lambda: south.heard() == [*range(5)], what="all were handled")


def test_what_a_group_has_yet_to_work_on_is_not_trimmed(
    workers: Workers, short_lived: OnPostgreSQL, tmp_path: Path
) -> None:
    databases = short_lived.databases()
    cluster = Cluster(workers, tmp_path, bus=short_lived.settings(), databases=databases)
    north, south = cluster.node("north"), node_that_works(cluster, "south", "")
    groups_are_made(short_lived)
    south.leave()
    north.run(acts.say, "sold", 1)
    north.run(acts.say, "bought", 1)
    asked = "SELECT topic FROM nothing_shared_bus_outbox WHERE namespace = %s AND topic != ''"
    assert isinstance(short_lived.server, PostgreSQLServer)
    with session(short_lived.server) as raw:
        where = (short_lived.namespace,)
        wait_until(lambda: raw.execute(asked, where).fetchall() == [("sold",)], what="trimmed")
    south = node_that_works(cluster, "south", "")
    wait_until(lambda: south.heard() == [1], what="it was handled")


# Progress, without a server


@pytest.mark.parametrize("text", ["10:10:", "10:14:10,12"])
def test_a_snapshot_is_written_as_it_is_read(text: str) -> None:
    assert str(Snapshot.parse(text)) == text
    progress = Progress(Snapshot.parse(text))
    assert Progress.parse(str(progress)) == progress
    half = progress.upto(Snapshot(11, 20, (11,)), 15, 3)
    assert Progress.parse(str(half)) == half


def test_a_node_reads_on_from_the_oldest_transaction_that_it_has_not_read_all_of() -> None:
    progress = Progress(Snapshot(10, 14, (10, 12)))
    assert progress.cursor == 10
    assert progress.upto(Snapshot(12, 20, (12,)), 11, 1).cursor == 11
    assert progress.upto(Snapshot(12, 20, (12,)), 15, 1).cursor == 12
