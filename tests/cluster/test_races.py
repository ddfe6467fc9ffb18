"""A fill that races with a change is never believed, wherever and however it is filled."""

from __future__ import annotations

import shutil

import pytest

from tests.cluster.harness import Cluster
from tests.wait import wait_until

pytestmark = pytest.mark.slow

WAYS = ["sold", "plain_sold"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("writer", ["another thread", "another process", "another node"])
def test_a_fill_that_a_write_overtook_is_not_served(
    cluster: Cluster, way: str, writer: str
) -> None:
    reader = cluster.worker("a")
    others = {"another thread": reader, "another process": cluster.worker("a")}
    other = others.get(writer) or cluster.worker("b")
    other("1")
    filling = reader.start(f"slow_{way}(1)")
    reader.reached("loaded")
    assert other.start("sell(1)").get() == 1
    if writer == "another node":
        heard = "process.current().table.changed[1]"
        before = reader(heard)
        other.start("sell(2)").get()
        wait_until(lambda: reader(heard) > before, what="the news to arrive")
    reader.signal("loaded")
    assert filling.get() == 0  # its caller gets what was true when it asked
    assert reader(f"{way}(1)") == 1
    assert reader(f"{way}(1)") == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_fill_that_began_on_a_node_that_was_replaced_is_not_kept(
    cluster: Cluster, way: str
) -> None:
    reader = cluster.worker("a")
    node = reader("process.current().table.id")
    filling = reader.start(f"slow_{way}(1)")
    reader.reached("loaded")
    shutil.rmtree(cluster.directory / "node-a")
    wait_until(lambda: reader("process.current().table.id") != node, what="a new node")
    reader.signal("loaded")
    assert filling.get() == 0
    assert reader("sell(1)") == 1
    assert reader(f"{way}(1)") == 1


@pytest.mark.parametrize("way", WAYS)
def test_what_a_fill_stores_is_a_hit_for_the_machines_other_workers(
    cluster: Cluster, way: str
) -> None:
    one, two = cluster.worker("a"), cluster.worker("a")
    assert one(f"{way}(1)") == 0
    assert two("tier(1)") == "l2"
    assert two("tier(1)") == "l1"
    assert one("tier(1)") == "l1"


@pytest.mark.parametrize(
    "fill",
    [
        'cache.get_or_set("sold:1", lambda: load(1), 600)',
        '(cache.get("sold:1"), cache.set("sold:1", load(1), 600), 0)[2]',
    ],
)
def test_a_fill_from_the_snapshot_of_a_transaction_is_not_served(
    cluster: Cluster, fill: str
) -> None:
    reader, writer = cluster.worker("a"), cluster.worker("a")
    # A deferred transaction: SQLite's snapshot is taken by its first read and lasts to its end.
    reader("connection.ensure_connection(); connection.transaction_mode = None")
    reader("begin(); block = transaction.atomic(); block.__enter__(); before = load(2)")
    assert writer("sell(1)") == 1
    assert reader(fill) == 0, "what its transaction sees"
    assert reader("load(1)") == 0
    reader("block.__exit__(None, None, None)")
    assert writer("sold(1)") == 1
    assert reader("sold(1)") == 1


def test_a_transaction_that_has_written_neither_takes_nor_fills_what_it_touched(
    cluster: Cluster,
) -> None:
    writer, other = cluster.worker("a"), cluster.worker("a")
    assert other("sold(1)") == 0
    writer(
        """
begin()
block = transaction.atomic()
block.__enter__()
Stall.objects.filter(pk=1).update(sold=7)
"""
    )
    fetch = 'cache.get_or_set("sold:1", lambda: load(1), 600)'
    assert writer(fetch) == 7, "it sees its own write"
    assert other("sold(1)") == 0, "nobody else does before the commit"
    assert writer('cache.get_or_set("sold:2", lambda: load(2), 600)') == 0
    writer("block.__exit__(None, None, None)")
    assert other("sold(1)") == 7
    assert writer("sold(1)") == 7


def test_a_rolled_back_write_changes_nothing(cluster: Cluster) -> None:
    writer, other = cluster.worker("a"), cluster.worker("b")
    assert other("sold(1)") == 0
    assert writer("sold(1)") == 0
    writer(
        """
begin()
try:
    with transaction.atomic():
        Stall.objects.filter(pk=1).update(sold=7)
        raise KeyError
except KeyError:
    pass
"""
    )
    writer("from nothing_shared.causality.pending import settle_all; settle_all()")
    assert writer("tier(1)") == "l1"
    assert other("tier(1)") == "l1"
    assert writer("process.current().intents.standing()") == 0


def test_a_write_in_a_rolled_back_savepoint_doesnt_hide_the_rest(cluster: Cluster) -> None:
    writer = cluster.worker("a")
    assert writer("sold(1), sold(2)") == [0, 0]
    writer(
        """
begin()
with transaction.atomic():
    try:
        with transaction.atomic():
            Stall.objects.filter(pk=2).update(sold=9)
            raise KeyError
    except KeyError:
        pass
    Stall.objects.filter(pk=1).update(sold=7)
"""
    )
    assert writer("sold(1), sold(2)") == [7, 0]


def test_a_hook_that_raises_doesnt_lose_the_change(cluster: Cluster) -> None:
    writer = cluster.worker("a")
    assert writer("sold(1)") == 0
    writer(
        """
begin()
def fail(): raise ValueError("an earlier hook")
try:
    with transaction.atomic():
        transaction.on_commit(fail)
        Stall.objects.filter(pk=1).update(sold=7)
except ValueError:
    pass
"""
    )
    assert writer("sold(1)") == 7


def test_an_epoch_during_a_fill_voids_it(cluster: Cluster) -> None:
    worker = cluster.worker("a")
    filling = worker.start("slow_sold(1)")
    worker.reached("loaded")
    worker("process.current().table.forget_everything()")
    worker.signal("loaded")
    assert filling.get() == 0
    assert worker("tier(1)") == "miss"


def test_a_takeover_during_a_fill_does_not_hide_a_change(cluster: Cluster) -> None:
    agent = cluster.worker("a")
    reader, writer = cluster.worker("a"), cluster.worker("b")
    assert reader("process.current().table.words[layout.AGENT_PID]") == agent.pid
    filling = reader.start("slow_sold(1)")
    reader.reached("loaded")
    agent.kill()
    assert writer("sell(1)") == 1
    wait_until(lambda: reader("process.current().agent.is_leading"), what="the takeover")
    reader.signal("loaded")
    assert filling.get() == 0
    wait_until(lambda: reader("sold(1)") == 1, what="the change to be heard")


def test_a_fork_during_a_fill_shares_nothing_that_hurts(cluster: Cluster) -> None:
    # The child waits for its parent's flight, which stands still, and then goes on alone.
    worker = cluster.worker("a", CLUSTER_CACHE_OPTIONS='{"FLIGHT_TIMEOUT": 0.2}')
    filling = worker.start("slow_sold(1)")
    worker.reached("loaded")
    child = worker(
        """
import warnings
warnings.simplefilter("ignore")
readable, writable = os.pipe()
pid = os.fork()
if not pid:
    from django.db import connections
    connections.close_all()
    answer = b"failed"
    try:
        answer = f"{sell(1)} {sold(1)} {tier(1)}".encode()
    finally:
        os.write(writable, answer)
        os._exit(0)
os.waitpid(pid, 0)
os.read(readable, 100).decode()
"""
    )
    assert child == "1 1 l1"
    worker.signal("loaded")
    assert filling.get() == 0
    assert worker("sold(1)") == 1


def test_a_view_that_loads_and_a_fragment_that_shows_it_are_one_unit(cluster: Cluster) -> None:
    worker = cluster.worker("a")
    worker(
        """
template = Template(
    "{% load machine_cache %}"
    "{% cached 600 'stall' stall.pk %}{{ stall.sold }}{% endcached %}"
)
def show(pk):
    begin()
    return template.render(Context({"stall": Stall.objects.get(pk=pk)}))
"""
    )
    assert worker("show(1)") == "0"
    assert worker("sell(1)") == 1
    assert worker("show(1)") == "1"
    assert worker("show(2)") == "0"
    worker("sell(1)")
    shown = worker(
        """
begin()
stall = Stall.objects.get(pk=2)
with trace() as outcomes:
    template.render(Context({"stall": stall}))
outcomes[-1].tier
"""
    )
    assert shown == "l1", "a fragment of another row survives"


def test_a_fill_from_a_hit_depends_on_what_the_hit_depends_on(cluster: Cluster) -> None:
    worker = cluster.worker("a")
    worker(
        """
def inner():
    return cache.get_or_set("sold:1", lambda: load(1), 600)

def outer():
    begin()
    return cache.get_or_set("outer", lambda: f"<{inner()}>", 600)
"""
    )
    assert worker("sold(1)") == 0
    assert worker("outer()") == "<0>"
    assert worker("sell(1)") == 1
    assert worker("outer()") == "<1>"
