"""A worker that is killed, wherever that hits it, leaves nothing stale, nothing torn and nobody waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.harness import Cluster, WorkerProcess
from tests.cluster.zygote import Zygote
from tests.wait import wait_until

pytestmark = pytest.mark.slow

DIE = """
import signal
def die(*args, **kwargs): os.kill(os.getpid(), signal.SIGKILL)
def die_after(function):
    def last(*args, **kwargs):
        function(*args, **kwargs)
        die()
    return last
class Deadly:
    'Stands for a memory of words; the store at one of some places is the last.'
    def __init__(self, words, places): self.words, self.places = words, places
    def __getitem__(self, at): return self.words[at]
    def __setitem__(self, at, value):
        if at in self.places: die()
        self.words[at] = value
table = process.current().table
from nothing_shared.node.intents import Intent, Intents
from nothing_shared.node.process import Node
from nothing_shared.node.table import ChangeTable
from nothing_shared.node import hooks as node_hooks, process as node_process
from nothing_shared.bus.ring import Ring
from nothing_shared.cache.hints import Hints
from nothing_shared.cache.records import Records
from nothing_shared.cache.store import Store
from nothing_shared.cache.writing import Writing
from nothing_shared.cache import fills, store as cache_store
"""

IN_AUTOCOMMIT = "sell(1)"
IN_A_TRANSACTION = """
begin()
with transaction.atomic():
    Stall.objects.filter(pk=1).update(sold=F("sold") + 1)
    Sale.objects.create(stall_id=1)
"""

OF_A_WRITE = {
    "before the intent": "Intents.claim = die",
    "with an empty intent": "Intent.note = die",
    "after the intent": "Intent.note = die_after(Intent.note)",
    "at the commit": "connection._commit = die",
    "after the commit": "connection._commit = die_after(connection._commit)",
    "before the change is applied": "ChangeTable.apply = die",
    "at the clock of the change": "table.clock = die",
    "between the slots": """
from nothing_shared.node import slots
table.changed = Deadly(table.changed, [table.index(slots.row("default", "fair_stall", 1))])
""",
    "between slots and id": """
table.words = Deadly(table.words, range(layout.APPLIED, layout.APPLIED + layout.APPLIED_CELLS))
""",
    "after it is applied": "ChangeTable.apply = die_after(ChangeTable.apply)",
    "before it is published": "node_hooks.announcers[:] = [die]",
    "with the ring's lock": "Ring.append = die",
    "amid the ring": "Ring._write = die",
    "after it is published": "node_hooks.announcers.append(die)",
    "before the intent is cleared": "Intents.give_back = die",
}

OF_A_FILL = {
    "before the fill": "load = die",
    "before it is kept": "fills.keep = die",
    "with L2's lock": "Store._date = die",
    "with the table's lock": "table.clock = die",
    "at its encoding": "cache_store.encode = die",
    "amid the record": "Records.write = die",
    "after the record": "Records.write = die_after(Records.write)",
    "before a new hint": "Hints.add = die",
    "after a new hint": "Hints.add = die_after(Hints.add)",
    "between put and commit": "Writing._commit = die",
    "after its commit": "Writing._commit = die_after(Writing._commit)",
    "before it is in L1": "Store.hold = die",
}


@dataclass
class Stage:
    """Those who go on: the victim's colleague, who hears for the node, and somebody elsewhere."""

    cluster: Cluster
    colleague: WorkerProcess
    elsewhere: WorkerProcess

    @property
    def others(self) -> list[WorkerProcess]:
        return [self.colleague, self.elsewhere]

    def kill(self, point: str, act: str) -> None:
        victim = self.cluster.worker("a")
        victim.start(f"{DIE}{point}\n{act}")
        victim.wait_for_end()

    def all_is_true(self) -> bool:
        return all(other("sold(1)") == other("load(1)") for other in self.others)


@pytest.fixture(scope="module")
def stage(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("kill-points")
    directory.chmod(0o700)
    cluster = Cluster(zygote, directory, CLUSTER_LEASE="0.5")
    yield Stage(cluster, cluster.worker("a"), cluster.worker("b"))
    cluster.close()


def assert_the_others_go_on(stage: Stage) -> None:
    """What one of them writes and fills is heard and found by all."""
    for writer in stage.others:
        sold = writer("sell(2)")
        wait_until(
            lambda sold=sold: all(other("sold(2)") == sold for other in stage.others),  # type: ignore[misc]
            what="a later change to be heard",
        )
    for other in stage.others:
        wait_until(lambda other=other: other("tier(2)") == "l1", what="hits")  # type: ignore[misc]


@pytest.mark.parametrize("act", [IN_AUTOCOMMIT, IN_A_TRANSACTION], ids=["autocommit", "atomic"])
@pytest.mark.parametrize("point", OF_A_WRITE)
def test_no_stale_value_survives_a_writer_killed(point: str, act: str, stage: Stage) -> None:
    if point in ("at the commit", "after the commit") and act == IN_AUTOCOMMIT:
        return
    wait_until(stage.all_is_true)
    stage.kill(OF_A_WRITE[point], act)
    wait_until(stage.all_is_true, what="the others to forget")
    standing = "process.current().intents.standing()"
    wait_until(lambda: stage.colleague(standing) == 0, what="the intent to be buried")
    assert stage.all_is_true()
    assert_the_others_go_on(stage)


@pytest.mark.parametrize("point", OF_A_FILL)
def test_nothing_torn_is_read_after_a_fill_killed(point: str, stage: Stage) -> None:
    sold = stage.elsewhere("sell(1)")
    wait_until(stage.all_is_true)
    stage.elsewhere("sell(1)")
    if "new" in point:
        stage.colleague("begin(); cache.delete('sold:1')")
    stage.kill(OF_A_FILL[point], "sold(1)")
    assert stage.colleague("load(1)") == sold + 1
    wait_until(stage.all_is_true, what="the others to see what is true")
    wait_until(lambda: stage.colleague("tier(1)") == "l1", what="the value to be kept again")
    assert_the_others_go_on(stage)


def test_a_follower_of_a_leader_killed_computes_at_once(stage: Stage) -> None:
    leader = stage.cluster.worker("a")
    leader.start("slow_sold(3)")
    leader.reached("loaded")
    follower = stage.colleague.start("sold(3)")
    leader.kill()
    assert follower.get(timeout=8) == stage.colleague("load(3)"), "long before FLIGHT_TIMEOUT"


def test_a_worker_killed_amid_a_replacing_set_leaves_the_old_or_the_new_value(
    stage: Stage,
) -> None:
    """And on all machines the same: whoever has the old one forgets it."""
    for point in ("Writing._commit = die", "ChangeTable.apply = die_after(ChangeTable.apply)"):
        stage.colleague("begin(); cache.set('motd', 'old', 600)")
        wait_until(lambda: stage.elsewhere("begin(); cache.get('motd')") is None)
        stage.kill(point, "begin(); cache.set('motd', 'new', 600)")
        wait_until(lambda: stage.colleague("process.current().intents.standing()") == 0)
        assert stage.colleague("begin(); cache.get('motd')") in (None, "new", "old")
        stage.colleague("begin(); cache.set('motd', 'newest', 600)")
        assert stage.colleague("begin(); cache.get('motd')") == "newest"
