"""The cache of two nodes that a broker joins: coherent, without it true, and warm after a restart."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest

from tests.cluster.harness import Cluster, WorkerProcess
from tests.servers import NATSServer, RedisServer
from tests.wait import wait_until

pytestmark = pytest.mark.slow

LEASE = 1.0


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster], bus: str) -> Cluster:
    return make_cluster(CLUSTER_LEASE=str(LEASE), CLUSTER_BUS=bus)


def is_hit(worker: WorkerProcess, pk: int, sold: int) -> bool:
    return worker(f"sold({pk})") == sold and worker(f"tier({pk})") == "l1"


def hits(*workers: WorkerProcess, pk: int, sold: int) -> None:
    """Wait until all have a value cached, and the true one."""
    for worker in workers:
        wait_until(lambda worker=worker: is_hit(worker, pk, sold), 20, what="it is cached")


def test_what_one_node_sells_the_other_forgets_and_nothing_else(cluster: Cluster) -> None:
    north, south = cluster.worker("a"), cluster.worker("b")
    hits(north, south, pk=1, sold=0)
    hits(north, south, pk=2, sold=0)
    assert north("sell(1)") == 1
    wait_until(lambda: south("sold(1)") == 1, what="the other node hears of it")
    assert south("tier(2)") == "l1"


def test_without_the_broker_answers_are_true_and_soon_after_it_is_back_they_are_cached(
    cluster: Cluster, broker: RedisServer | NATSServer
) -> None:
    north, south = cluster.worker("a"), cluster.worker("b")
    hits(north, south, pk=1, sold=0)
    broker.stop()
    assert north("sell(1)") == 1, "nobody waits for the broker"
    wait_until(lambda: south("sold(1)") == 1, 6 * LEASE, what="the lease lapses")
    assert north("sell(1)") == 2
    assert south("sold(1)") == 2
    broker.start()
    began = monotonic()
    hits(north, south, pk=1, sold=2)
    print(f"cached again {monotonic() - began:.2f} s after the broker was back")


def test_a_node_that_was_away_comes_back_warm_and_has_forgotten_what_changed(
    cluster: Cluster,
) -> None:
    north, south = cluster.worker("a"), cluster.worker("b")
    hits(north, south, pk=1, sold=0)
    hits(north, south, pk=2, sold=0)
    south.close()
    for number in range(1, 31):
        assert north("sell(1)") == number
    south = cluster.worker("b")
    assert south("tier(2)") == "l2", "from before it went"
    assert south("sold(1)") == 30
