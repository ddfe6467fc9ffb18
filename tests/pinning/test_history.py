"""A short random history, whose long form is ``python -m tests.pinning.history``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pinning.estate import Estate, estate
from tests.pinning.history import play
from tests.pinning.stage import PEERS

pytestmark = pytest.mark.slow

OF_REPLICAS = ("pause", "lag", "detach", "crash", "rewind", "balance", "cut bus", "freeze bus")


@pytest.fixture(scope="module")
def found() -> Iterator[Estate]:
    with estate() as made:
        yield made


def test_p1_nobody_reads_older_than_they_have_written_whatever_befalls_the_servers(
    found: Estate,
) -> None:
    account = play(found, operations=1500, seconds=6.0, seed=1)
    assert not account.violations, account
    assert account.tally["writes"]
    assert account.reads_of_replicas > 0


def test_no_failure_of_a_replica_or_the_bus_is_one_of_a_client(found: Estate) -> None:
    account = play(found, operations=800, seconds=4.0, seed=2, kinds=OF_REPLICAS)
    assert not account.violations, account
    assert not account.failures, account.failures[0]


@pytest.mark.parametrize("peer", PEERS)
def test_the_same_history_deceives_clients_of_other_packages(found: Estate, peer: str) -> None:
    account = play(found, peer, operations=100_000, seed=1, kinds=("pause", "lag"), seconds=400.0)
    assert account.violations, account


@pytest.mark.parametrize(
    ("rule", "kinds"),
    [
        ("tickets without positions", ("pause", "cut bus")),
        ("positions without timeline", ("pause", "lag", "fail over")),
    ],
)
def test_the_same_history_deceives_clients_where_a_rule_is_missing(
    found: Estate, rule: str, kinds: tuple[str, ...]
) -> None:
    account = play(found, mutant=rule, operations=100_000, seed=1, kinds=kinds, seconds=400.0)
    assert account.violations, account
