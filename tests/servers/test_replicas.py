"""Replicas follow, and fail in each of the ways that tests ask for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.servers import Replication, proxied, replicated
from tests.servers.postgres import DEBIANS
from tests.wait import wait_until

pytestmark = pytest.mark.slow

COUNT = "SELECT count(*) FROM written"


@pytest.fixture(scope="module", params=["wheel", "Debian"])
def started(request: pytest.FixtureRequest) -> Iterator[Replication]:
    if request.param == "Debian" and DEBIANS is None:
        pytest.skip("Debian's PostgreSQL is not installed: apt-get install postgresql")
    with replicated(programs=DEBIANS if request.param == "Debian" else None) as servers:
        servers.primary.ask("CREATE TABLE written ()")
        yield servers


@pytest.fixture
def servers(started: Replication) -> Iterator[Replication]:
    started.primary.ask("TRUNCATE written")
    started.wait_until_caught_up()
    yield started
    started.heal()


def write(servers: Replication) -> str:
    """Commit a row and return a position that is not before it."""
    servers.primary.ask("INSERT INTO written DEFAULT VALUES")
    position: str = servers.primary.ask("SELECT pg_current_wal_insert_lsn()::text")
    return position


def shown(servers: Replication) -> list[int]:
    return [replica.ask(COUNT) for replica in servers.replicas]


def test_replicas_show_what_is_written_and_take_no_writes(servers: Replication) -> None:
    write(servers)
    servers.wait_until_caught_up()
    assert shown(servers) == [1, 1]
    for replica in servers.replicas:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.ask("INSERT INTO written DEFAULT VALUES")


def test_a_paused_replica_stays_where_it_is_until_it_resumes(servers: Replication) -> None:
    one, two = servers.replicas
    one.pause()
    position = write(servers)
    servers.wait_until_caught_up(two)
    assert shown(servers) == [0, 1]
    assert not one.has_replayed(position)
    one.resume()
    servers.wait_until_caught_up()
    assert shown(servers) == [1, 1]


def test_a_lagging_replica_shows_a_commit_later(servers: Replication) -> None:
    one, two = servers.replicas
    one.lag(600_000)
    write(servers)
    servers.wait_until_caught_up(two)
    assert shown(servers) == [0, 1]
    one.lag(0)
    servers.wait_until_caught_up(one)
    assert shown(servers) == [1, 1]


def test_a_detached_replica_receives_nothing_until_it_is_attached(servers: Replication) -> None:
    one, two = servers.replicas
    one.pause()
    one.detach()
    one.resume()
    write(servers)
    servers.wait_until_caught_up(two)
    assert shown(servers) == [0, 1]
    assert one.ask("SELECT pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn()"), "looks well"
    one.attach()
    servers.wait_until_caught_up()
    assert shown(servers) == [1, 1]


def test_a_replica_that_crashes_can_come_back_with_less_than_it_showed(
    servers: Replication,
) -> None:
    servers.restart_from_here()
    position = write(servers)
    servers.wait_until_caught_up()
    one, _ = servers.replicas
    assert one.has_replayed(position)
    one.rewind()
    assert shown(servers) == [0, 1]
    assert not one.has_replayed(position)
    one.lag(0)
    servers.wait_until_caught_up()
    assert shown(servers) == [1, 1]


def test_a_balanced_address_leads_to_one_replica_after_the_other(servers: Replication) -> None:
    one, two = servers.replicas
    with proxied(one.port, two.port) as balancer:
        address = f"postgresql://site@127.0.0.1:{balancer.port}/postgres"
        met = []
        for _ in range(4):
            with psycopg.connect(address) as connection:
                met.append(connection.execute("SHOW port").fetchone())
    assert met == [(str(one.port),), (str(two.port),)] * 2


def test_a_promoted_replica_takes_writes_on_a_history_of_its_own() -> None:
    with replicated() as servers:
        old, (one, two) = servers.primary, servers.replicas
        old.ask("CREATE TABLE written ()")
        servers.wait_until_caught_up()
        one.promote()
        one.ask("INSERT INTO written DEFAULT VALUES")
        old.ask("INSERT INTO written SELECT FROM generate_series(1, 1000)")
        servers.wait_until_caught_up(two)
        shown_by_old_primary = two.ask(COUNT)
        assert shown_by_old_primary == 1000
        two.rebuild(one)
        wait_until(lambda: two.ask(COUNT) == 1)
        one.ask("INSERT INTO written DEFAULT VALUES")
        wait_until(lambda: two.ask(COUNT) == 2)


def test_replicas_run_as_an_ordinary_user_too() -> None:
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        command = [sys.executable, "-m", "tests.servers.as_ordinary_user", home]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert ran.returncode == 0, ran.stderr
    user, found = ran.stdout.split()
    assert found == "written"
    assert user != "0"
