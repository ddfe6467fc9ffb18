"""Servers fail, and readers notice as little of it as can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DataError, OperationalError, ProgrammingError, transaction

from nothing_shared.causality.schema import forget
from nothing_shared.causality.scopes import current
from nothing_shared.pinning.health import Health
from nothing_shared.pinning.replica import Replica
from tests.pinning.local import ALIAS, Client, connection, count, make, warm
from tests.pinning.test_decisions import execute
from tests.servers import Replication

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("pinned")]


@pytest.fixture
def client() -> Client:
    warm()
    return Client()


@pytest.fixture
def away(pinned: Replication, client: Client) -> Iterator[Replication]:
    """Servers of which the primary has gone, for as long as the test runs."""
    pinned.primary.stop()
    connection().disconnect()
    yield pinned
    pinned.primary.start()


def replica_of(client: Client) -> Replica:
    fleet = connection().fleet
    assert fleet is not None
    (name,) = client.used_replicas
    return next(replica for replica in fleet.replicas if replica.alias == name)


def terminate(pinned: Replication) -> None:
    """End all sessions of the site on its replicas, as an administrator would."""
    for replica in pinned.replicas:
        replica.ask(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'site'"
        )


def test_p14_a_session_that_was_ended_costs_one_more_try(
    pinned: Replication, client: Client
) -> None:
    terminate(pinned)
    assert client.get(count) == count()


def test_p14_a_replica_that_dies_during_a_request_is_replaced_within_it(
    pinned: Replication, client: Client
) -> None:
    def view() -> list[int]:
        found = [count()]
        number = current().reader.servers[ALIAS]
        pinned.replicas[number].kill()
        return [*found, count(), count()]

    assert len(set(client.get(view))) == 1
    assert len(client.used_replicas) == 2


def test_p14_without_any_replica_the_primary_answers(pinned: Replication, client: Client) -> None:
    for replica in pinned.replicas:
        replica.kill()
    client.get(count)
    assert client.served == {ALIAS: 1}


def test_p14_a_replica_that_is_back_is_used_again(
    pinned: Replication, client: Client, settings: object
) -> None:
    for replica in pinned.replicas:
        replica.kill()
    client.get(count)
    for replica in pinned.replicas:
        replica.start()
    pinned.wait_until_caught_up()
    fleet = connection().fleet
    assert fleet is not None
    for one in fleet.replicas:
        one.health.answered()
    client.get(count)
    assert not client.used_primary


def test_p14_a_table_that_has_not_come_to_the_replica_yet_is_read_on_the_primary(
    pinned: Replication, client: Client, settings: object
) -> None:
    settings.NOTHING_SHARED_PINNING = {"FRESHNESS": "client", "WAIT": 0.0}  # type: ignore[attr-defined]
    for replica in pinned.replicas:
        replica.pause()
    execute("CREATE TABLE IF NOT EXISTS newcomer (id int)")
    forget()
    assert client.get(lambda: execute("SELECT count(*) FROM newcomer")) == [(0,)]
    assert client.served == {ALIAS: 1}


def test_p14_what_writes_in_disguise_is_done_on_the_primary_and_seen_from_then_on(
    pinned: Replication, client: Client
) -> None:
    """A rule on a view lets a plain SELECT write, through a function that says it does not."""
    execute("CREATE SEQUENCE IF NOT EXISTS disguised")
    execute(
        "CREATE OR REPLACE FUNCTION disguise() RETURNS bigint IMMUTABLE LANGUAGE sql AS $$ "
        "SELECT nextval('disguised') $$"
    )
    forget()
    pinned.wait_until_caught_up()
    client.get(count)

    def view() -> bool:
        execute("SELECT disguise()")
        return ALIAS in current().reader.wrote

    assert client.get(view)
    assert client.jar


@pytest.mark.parametrize(
    ("statement", "failure"),
    [
        ("SELECT 1 / 0 FROM shop_author", DataError),
        ("SELECT nonsense nonsense FROM shop_author", ProgrammingError),
    ],
)
def test_an_error_of_the_statement_s_own_is_raised_and_rests_nobody(
    client: Client, statement: str, failure: type[Exception]
) -> None:
    make("Ursula")

    def view() -> None:
        with pytest.raises(failure):
            execute(statement)

    client.get(view)
    client.get(count)
    assert sum(client.served.values()) == 1


def test_reads_go_on_while_the_primary_is_down(away: Replication, client: Client) -> None:
    client.get(count)
    assert not client.used_primary


def test_reads_go_on_in_a_node_that_never_saw_the_primary_but_are_not_cached(
    away: Replication, client: Client, tmp_path: object
) -> None:
    from pathlib import Path

    from tests.pinning.local import node_at

    forget()
    with node_at(Path(str(tmp_path)) / "newborn"):
        found, may_fill = client.get(lambda: (count(), current().may_fill))
    assert found >= 0
    assert not may_fill
    assert not client.used_primary


def test_who_has_written_more_than_replicas_show_gets_an_error_while_the_primary_is_down(
    pinned: Replication, client: Client
) -> None:
    for replica in pinned.replicas:
        replica.pause()
    client.post(lambda: make("Ursula"))
    pinned.primary.stop()
    connection().close()
    try:
        with pytest.raises(OperationalError):
            client.get(count)
        other = Client()
        assert other.get(lambda: (count(), current().may_fill))[1] is False
    finally:
        pinned.primary.start()


def test_a_detached_replica_serves_what_it_has_and_no_more(
    pinned: Replication, client: Client
) -> None:
    for replica in pinned.replicas:
        replica.detach()
    client.get(count)
    assert not client.used_primary
    client.post(lambda: make("Ursula"))
    client.get(count)
    assert client.used_primary


def test_p10_a_replica_that_has_lost_what_it_showed_is_asked_anew(
    pinned: Replication, client: Client
) -> None:
    pinned.restart_from_here()
    client.post(lambda: make("Ursula"))
    pinned.wait_until_caught_up()
    for _ in range(5):
        client.get(count)
        assert not client.used_primary
    expected = count()
    for replica in pinned.replicas:
        replica.rewind()
    for _ in range(5):
        assert client.get(count) == expected


def test_p13_a_commit_that_is_not_yet_in_the_log_is_seen(
    pinned: Replication, client: Client
) -> None:
    before = count()
    for number in range(1, 11):
        client.post(lambda number=number: asynchronously(f"author {number}"))
        assert client.get(count) == before + number


def asynchronously(name: str) -> None:
    with transaction.atomic(using=ALIAS):
        execute("SET LOCAL synchronous_commit = off")
        make(name)


def test_a_server_that_fails_again_and_again_is_left_alone_for_longer_and_longer() -> None:
    now = [0.0]
    health = Health(clock=lambda: now[0])
    rests = []
    for _ in range(8):
        health.failed(1.0)
        began = now[0]
        while not health.is_up:
            now[0] += 0.5
        rests.append(now[0] - began)
    assert rests == [1, 2, 4, 8, 16, 30, 30, 30]
    health.answered()
    health.failed(1.0)
    now[0] += 1
    assert health.is_up


def test_a_server_that_was_waited_for_in_vain_is_not_waited_for_at_once() -> None:
    now = [0.0]
    health = Health(clock=lambda: now[0])
    health.lagged(0.002)
    assert health.is_up
    assert not health.is_worth_waiting_for
    now[0] += 0.02
    assert health.is_worth_waiting_for
