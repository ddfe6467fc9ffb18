"""PostgresBus, on a real server."""

from __future__ import annotations

import logging
import os
import random
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import IntegrityError, connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.bus import process as bus_process, publish
from nothing_shared.checks import TAG
from tests.bus import acts
from tests.bus.cluster import LEASE, Backend, Cluster
from tests.bus.contract import NetworkContract
from tests.bus.on_postgres import OnPostgreSQL, SoonTrimmed, session, site_on_postgresql
from tests.node import acts as node_acts
from tests.node.workers import Died, Workers
from tests.servers import PostgreSQLServer, pgbouncer
from tests.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(django_db_blocker: DjangoDbBlocker) -> Iterator[PostgreSQLServer]:
    with site_on_postgresql(django_db_blocker) as running:
        yield running


@pytest.fixture
def backend(server: PostgreSQLServer, tmp_path: Path) -> Backend:
    return OnPostgreSQL(tmp_path, server)


class TestPostgresHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(self, server: PostgreSQLServer, tmp_path: Path) -> Backend:
        return OnPostgreSQL(tmp_path, server)


# What a worker does


def die_in(place: str) -> None:
    """Publish, and be killed in a hook that runs before the bus's own, or right after the commit."""
    with transaction.atomic():
        if place == "hook":
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        publish("sold", place)
        if place == "transaction":
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def write_at_once(writer: int, seconds: float) -> list[str]:
    """Publish in transactions of 0–30 ms, some of which roll back; return what was committed."""
    chance, end, committed = random.Random(writer), monotonic() + seconds, []
    number = 0
    while monotonic() < end:
        number += 1
        with suppress(LookupError), transaction.atomic():
            publish("sold", f"{writer}-{number}")
            take(chance.uniform(0, 0.03))
            if chance.random() < 0.1:
                raise LookupError
            committed.append(f"{writer}-{number}")
    return committed


class Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


noted = Errors()


def note_errors() -> None:
    logging.getLogger("nothing_shared.bus").addHandler(noted)


def errors() -> list[str]:
    return noted.texts


def take(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def publish_slowly(payload: Any, seconds: float) -> None:
    with transaction.atomic():
        publish("sold", payload)
        take(seconds)


def publish_in_a_transaction(*payloads: Any) -> None:
    with transaction.atomic():
        for payload in payloads:
            publish("sold", payload)


def publish_around_a_savepoint() -> None:
    with transaction.atomic():
        publish_many("before", 150)
        with suppress(LookupError), transaction.atomic():
            publish_many("taken back", 150)
            raise LookupError
        savepoint = connection.savepoint()
        publish_many("taken back by hand", 150)
        connection.savepoint_rollback(savepoint)
        publish_many("after", 150)


def publish_many(name: str, count: int) -> None:
    for number in range(count):
        publish("sold", f"{name} {number}")


def commit_what_cannot_be() -> bool:
    """Break a constraint that is looked at when the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seat (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO seat VALUES (1), (1)")
            publish("sold", "twice")
    except IntegrityError:
        return connection.get_autocommit() and connection.is_usable()
    return False


# Transactions


def test_what_was_committed_is_heard_though_its_process_died_at_that_moment(
    cluster: Cluster,
) -> None:
    south = cluster.node("south", "sold")
    for place in ("transaction", "hook", "after"):
        with pytest.raises(Died):
            cluster.worker("north").run(die_in, place)
    wait_until(lambda: len(south.heard()) == 2, what="both were heard")
    south.run(acts.say, "sold", "last")
    wait_until(lambda: "last" in south.heard(), what="the last was heard")
    assert south.heard() == ["hook", "after", "last"]


def test_many_messages_of_one_transaction_keep_their_order_and_savepoints_count(
    cluster: Cluster,
) -> None:
    south = cluster.node("south", "sold")
    cluster.worker("north").run(publish_around_a_savepoint)
    wanted = [f"{name} {number}" for name in ("before", "after") for number in range(150)]
    wait_until(lambda: len(south.heard()) >= len(wanted), what="all were heard")
    assert south.heard() == wanted


def test_a_commit_that_fails_sends_nothing_and_says_why(cluster: Cluster) -> None:
    south, north = cluster.node("south", "sold"), cluster.worker("north")
    assert north.run(commit_what_cannot_be)
    north.run(partial(acts.say, "sold", "last"))
    wait_until(south.heard, what="the last was heard")
    assert south.heard() == ["last"]


def test_concurrent_writers_lose_nothing(cluster: Cluster) -> None:
    south = cluster.node("south", "sold")
    writers = [cluster.worker("north") for _ in range(6)]
    for number, writer in enumerate(writers):
        writer.begin(write_at_once, number, 4.0)
    committed = sorted(said for writer in writers for said in writer.result())
    wait_until(lambda: len(south.heard()) >= len(committed), what="all were heard")
    print(f"{len(committed)} messages of 6 concurrent writers, none lost, none twice")
    assert sorted(south.heard()) == committed
    assert south.gaps() == []


def test_a_transaction_that_stays_open_delays_nothing_but_its_own(
    cluster: Cluster, server: PostgreSQLServer
) -> None:
    north, south = cluster.node("north"), cluster.node("south", "sold")
    with session(server) as stranger:
        stranger.execute("BEGIN")
        stranger.execute("SELECT pg_current_xact_id()")
        began = monotonic()
        north.run(publish_in_a_transaction, "committed")
        wait_until(lambda: south.heard() == ["committed"], what="it was heard")
        print(f"heard beside a transaction that is open: {monotonic() - began:.3f} s")
        until = south.run(node_acts.now) + int(LEASE * 1e9)
        wait_until(lambda: south.run(node_acts.now) > until, what="a lease has passed")
        assert south.run(node_acts.is_leased)
        stranger.execute("COMMIT")


def test_what_a_transaction_says_that_stayed_open_is_heard_when_it_commits(
    cluster: Cluster, server: PostgreSQLServer
) -> None:
    north, south = cluster.node("north"), cluster.node("south", "sold")
    slow = cluster.worker("north")
    slow.begin(publish_slowly, "slow", 1.0)
    asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s"
    with session(server) as raw:
        while_slow = ("SELECT pg_sleep(1%",)
        wait_until(lambda: raw.execute(asked, while_slow).fetchone() == (1,), what="it is open")
    for number in range(20):
        north.run(publish_in_a_transaction, number)
    wait_until(lambda: len(south.heard()) == 20, what="the others were heard")
    slow.result()
    wait_until(lambda: len(south.heard()) == 21, what="the slow one was heard")
    assert south.heard() == [*range(20), "slow"]


# Nodes and servers that go and come


def test_nodes_go_on_after_a_restart_of_the_server(
    cluster: Cluster, server: PostgreSQLServer
) -> None:
    nodes = north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
    server.stop()
    north.run(acts.say, "sold", "while it was down")
    wait_until(lambda: not south.run(node_acts.is_leased), what="the lease lapses")
    server.start()
    began = monotonic()
    for node in nodes:
        node.hears()
    took = monotonic() - began
    print(f"lease back after the server answers: {took:.3f} s")
    assert took < 10
    for node in nodes:
        wait_until(lambda node=node: node.heard() == ["while it was down"], what="it was heard")
        assert node.gaps() == []


def test_a_node_that_was_away_for_a_while_comes_back_warm(cluster: Cluster) -> None:
    north, south = cluster.node("north"), cluster.node("south", "sold")
    epochs = south.run(node_acts.epochs)
    south.leave()
    for number in range(0, 300, 10):
        north.run(publish_in_a_transaction, *range(number, number + 10))
    south = cluster.node("south", "sold")
    wait_until(lambda: len(south.heard()) == 300, what="all were heard")
    assert south.heard() == [*range(300)]
    assert south.gaps() == []
    assert south.run(node_acts.epochs) == epochs


def test_what_was_trimmed_is_a_gap(
    server: PostgreSQLServer, workers: Workers, tmp_path: Path
) -> None:
    backend = SoonTrimmed(tmp_path, server)
    cluster = Cluster(workers, tmp_path, bus=backend.settings(), databases=backend.databases())
    north, south = cluster.node("north"), cluster.node("south", "sold")
    before = south.run(node_acts.now)
    south.leave()
    north.run(publish_in_a_transaction, "trimmed")
    count = "SELECT count(*) FROM nothing_shared_bus_outbox WHERE namespace = %s AND topic = 'sold'"
    with session(server) as raw:
        where = (backend.namespace,)
        wait_until(lambda: raw.execute(count, where).fetchone() == (0,), what="it was trimmed")
    south = cluster.node("south", "sold")
    wait_until(south.gaps, what="the gap was declared")
    assert south.run(node_acts.changed, 1) > before
    assert south.heard() == []


# How it is reached


def test_a_pool_of_transactions_is_refused_and_says_why_unless_the_server_is_named(
    server: PostgreSQLServer, workers: Workers, tmp_path: Path
) -> None:
    with pgbouncer(server) as pool:
        backend = OnPostgreSQL(tmp_path, pool)
        cluster = Cluster(workers, tmp_path, bus=backend.settings(), databases=backend.databases())
        refused = cluster.start("north")
        refused.run(note_errors)
        refused.run(acts.join)
        (text,) = wait_until(lambda: refused.run(errors), what="it was refused")
        assert "PgBouncer" in text
        assert '"HOST" and "PORT"' in text
        refused.kill()
        cluster.bus = {
            **backend.settings(), "OPTIONS": {"HOST": "127.0.0.1", "PORT": server.port}
        }  # fmt: skip
        south = cluster.node("south", "sold")
        south.run(publish_in_a_transaction, 1)
        wait_until(lambda: south.heard() == [1], what="it was heard")


@pytest.mark.parametrize("alias", ["default", "nowhere"])
def test_a_database_that_is_not_postgresql_is_an_error(
    settings: Any, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bus_process, "_buses", {}
    )  # one that another test has made is not made anew
    settings.NOTHING_SHARED_BUS = {"BACKEND": OnPostgreSQL.path, "DATABASE": alias}
    found = [error for error in run_checks(tags=[TAG]) if error.id == "nothing_shared_bus.E002"]
    assert f"{alias!r} is not a PostgreSQL database" in found[0].msg
