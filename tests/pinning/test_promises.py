"""What pinning promises of positions, replicas and clocks, each on servers that lag or fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.pinning.browser import Browser
from tests.pinning.node import Node
from tests.pinning.scenarios import (
    SCENARIOS,
    play,
    post_with_asynchronous_commit_then_get,
    written,
)
from tests.pinning.stage import Stage, described, staged
from tests.servers import Replication, proxied, replicated
from tests.wait import wait_until

pytestmark = pytest.mark.slow

ABOUT_TIME = [name for name in SCENARIOS if name.startswith(("1 ", "9 ", "11 ", "12 ", "16 "))]


@pytest.fixture(scope="module")
def running(running_replication: Replication) -> Iterator[Stage]:
    with staged(running_replication, "ours", "wsgi") as stage:
        yield stage


@pytest.fixture
def stage(running: Stage, replication: Replication) -> Iterator[Stage]:
    running.browser = Browser()
    yield running
    running.browser.close()


def served(stage: Stage, title: str, browser: Browser | None = None) -> list[int]:
    reply = (browser or stage.browser).get(stage.two, f"/read/{title}/")
    assert reply.json["found"], reply.served
    return reply.served


def test_p2_no_clock_decides(running_replication: Replication) -> None:
    """The nodes' clocks are hours apart, and jump to and fro."""
    with staged(running_replication, "ours", "wsgi", clock=[3600, -7200, 0, 1e6]) as stage:
        outcomes = {name: play(stage, SCENARIOS[name]) for name in ABOUT_TIME}
    assert list(outcomes.values()) == [
        "fresh", "fresh", "replica", "reader, session kept", "fresh, fresh",
    ]  # fmt: skip


def test_p3_the_pin_ends_with_the_lag_on_each_replica_by_itself(stage: Stage) -> None:
    one, _ = stage.servers.replicas
    stage.pause()
    title = written(stage, "orm")
    assert served(stage, title) == [stage.servers.primary.port]
    one.resume()
    stage.servers.wait_until_caught_up(one)
    assert served(stage, title) == [one.port]


def test_p5_two_processes_share_a_key_and_the_databases_and_nothing_else(
    running_replication: Replication,
) -> None:
    with staged(running_replication, "ours", "wsgi", is_bare=True) as stage:
        told = {name: play(stage, SCENARIOS[name]) for name in SCENARIOS if "login" not in name}
    stale = {name: outcome for name, outcome in told.items() if "stale" in outcome}
    assert list(stale) == ["13 GET that writes while streaming, then GET"]


def test_p10_a_replica_that_was_caught_up_and_comes_back_with_less_is_not_believed(
    stage: Stage,
) -> None:
    stage.servers.restart_from_here()
    title = written(stage, "orm")
    stage.servers.wait_until_caught_up()
    for _ in range(4):
        assert stage.server(*served(stage, title)) == "replica"
    for replica in stage.servers.replicas:
        replica.rewind()
    for _ in range(4):
        assert stage.server(served(stage, title)[-1]) == "primary"  # after two failures


def test_p10_one_address_of_several_replicas_is_judged_by_the_connection(
    running_replication: Replication,
) -> None:
    one, two = running_replication.replicas
    with balanced(running_replication) as stage:
        for ahead, behind in ((one, two), (two, one)):
            running_replication.wait_until_caught_up()
            behind.pause()
            title = written(stage, "orm")
            running_replication.wait_until_caught_up(ahead)
            for _ in range(10):  # each on a new connection of the node's, since none is kept
                stage.browser.close()
                served(stage, title)
            behind.resume()


@contextmanager
def balanced(servers: Replication) -> Iterator[Stage]:
    """Run nodes that know both replicas by one address, which leads to them in turn."""
    with ExitStack() as stack:
        balancer = stack.enter_context(proxied(*(replica.port for replica in servers.replicas)))
        place = [{"HOST": "127.0.0.1", "PORT": str(balancer.port)}]
        yield stack.enter_context(staged(servers, "ours", "wsgi", replicas=place, conn_max_age=0))


@pytest.mark.parametrize("isolation", ["REPEATABLE_READ", "SERIALIZABLE"])
def test_p11_the_check_precedes_the_snapshot_at_any_isolation_and_with_server_side_cursors(
    running_replication: Replication, isolation: str
) -> None:
    from psycopg import IsolationLevel

    level = getattr(IsolationLevel, isolation).value
    primary = described(running_replication, "ours")["primary"]
    primary["OPTIONS"] = {"isolation_level": level}
    with staged(running_replication, "ours", "wsgi", primary=primary) as stage:
        names = [f"p11-{isolation}-{number}" for number in range(25)]
        author, _ = stage.one.run("make_author", f"author-{isolation}")
        for replica in running_replication.replicas:
            replica.lag(3)  # so that replay passes while the reader decides
        for name in names:
            stage.browser.post(stage.one, f"/rename/{author}/{name}/")
            assert stage.browser.get(stage.two, f"/form/iterator/{author}/").json == {"seen": name}
    running_replication.heal()


def test_p12_a_position_at_the_end_of_a_page_is_reached_without_another_write(
    stage: Stage,
) -> None:
    title = stage.title()
    path = f"/write-up-to-a-page-boundary/{title}/"
    wait_until(
        lambda: stage.browser.post(stage.one, path.replace(title, stage.title())).json[
            "is_at_boundary"
        ],
        what="a position at a boundary",
    )
    probe = "/read/nothing/"
    wait_until(
        lambda: stage.server(*stage.browser.get(stage.two, probe).served) == "replica",
        what="a replica to be caught up",
    )


def test_p13_an_asynchronous_commit_is_waited_for_like_any_other(stage: Stage) -> None:
    for _ in range(10):
        assert post_with_asynchronous_commit_then_get(stage) == "fresh"


def test_p15_nothing_in_django_notices_the_replicas(stage: Stage) -> None:
    author, _ = stage.one.run("make_author", "transparent")
    book = stage.one.run("make_book", "transparent")
    stage.servers.wait_until_caught_up()
    told: dict[str, Any] = stage.two.run("live_with_what_a_replica_returned", author, book)
    assert set(told["ports"]) <= {replica.port for replica in stage.servers.replicas}
    assert told["databases"] == ["default"] * 3
    assert told["found by a subquery"] == 1
    assert [text.partition("WHERE")[0].strip() for text in told["saved"]] == [
        'UPDATE "library_book" SET "title" = %s'
    ]
    assert told["books"] == 2
    assert told["type"] == "book"
    assert list(told["errors"]) == ["title"], "what was just written is in the way"


@pytest.mark.parametrize(
    "command",
    [("migrate",), ("migrate", "--check"), ("makemigrations", "--check"), ("dumpdata", "library"),
     ("showmigrations",), ("sqlflush",), ("check", "--database", "default"), ("clearsessions",)],
    ids=" ".join,
)  # fmt: skip
def test_p20_a_management_command_speaks_to_the_primary_alone(
    stage: Stage, command: tuple[str, ...]
) -> None:
    assert stage.one.run("ports_of", *command) in ([stage.servers.primary.port], [])


def test_p21_a_write_in_one_database_does_not_pin_another(
    running_replication: Replication, tmp_path: Any
) -> None:
    with replicated(replicas=1) as others:
        maker = described(others, "the primary alone", node="maker", directory=str(tmp_path))
        node = Node(maker)
        node.run("migrate")
        node.close()
        others.wait_until_caught_up()
        with staged(running_replication, "ours", "wsgi", other=others.settings()) as stage:
            stage.pause()
            others.replicas[0].pause()
            here, there = [others.primary.port], [others.replicas[0].port]
            title = written(stage, "orm")
            assert served(stage, title) == [stage.servers.primary.port]
            assert stage.browser.get(stage.two, "/read-other/none/").served == there
            stage.browser.post(stage.one, f"/write-other/{title}/")
            reply = stage.browser.get(stage.two, f"/read-other/{title}/")
            assert (reply.json, reply.served) == ({"found": True}, here)
            assert served(stage, title) == [stage.servers.primary.port]
            stage.resume()
