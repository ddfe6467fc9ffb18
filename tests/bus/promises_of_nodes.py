"""What the bus promises where nodes come, go, die and stall: a gap where one is, and a lease."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic

from nothing_shared.bus import publish
from nothing_shared.clock import SECOND, boottime_ns
from nothing_shared.node import layout, process, slots
from nothing_shared.node.table import ChangeTable
from tests.bus import acts
from tests.bus.cluster import LEASE, Backend, Cluster, Node
from tests.node import acts as node_acts
from tests.wait import wait_until

__all__ = ["PromisesOfNodes", "table_of"]

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


def fork_and_say(children: int, each: int) -> list[int]:
    """Have forked children publish; return their exit codes."""
    process.current()
    pids = []
    for number in range(children):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                for count in range(each):
                    publish("sold", [number, count])
                process.close()
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def table_of(node: Node) -> ChangeTable:
    """Return a node's change table, whose workers may be stopped or dead."""
    return ChangeTable(node.directory)


def lapse(node: Node, within: float) -> float:
    """Wait until a node's lease has lapsed and return how much of it was left at first, in seconds."""
    table = table_of(node)
    left = (table.words[layout.LEASE_UNTIL] - boottime_ns()) / SECOND
    assert left <= within
    wait_until(lambda: not table.leased(), what="the lease lapses")
    return left


class PromisesOfNodes:
    """For :class:`tests.bus.contract.BusContract`."""

    # Nodes that come and go

    def test_a_change_on_one_node_is_applied_on_every_other(self, cluster: Cluster) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        before = south.run(node_acts.now)
        assert north.run(node_acts.change, EVENT)
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")
        assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"

    def test_a_node_that_exits_cleanly_is_no_gap(self, cluster: Cluster) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south")
        north.leave()
        epochs = south.run(node_acts.epochs)
        left = south.run(node_acts.lease_left)
        wait_until(lambda: south.run(node_acts.lease_left) > left, what="the lease goes on")
        cluster.node("west")
        assert south.gaps() == []
        assert south.run(node_acts.epochs) == epochs

    def test_a_node_that_is_killed_entirely_is_a_gap_to_all_others(
        self, cluster: Cluster, record_property: Callable[[str, object], None]
    ) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south", "sold")
        before = south.run(node_acts.now)
        north.kill()
        began = monotonic()
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="all is forgotten")
        took = monotonic() - began
        record_property("a node killed to forgotten, seconds", round(took, 3))
        print(f"killed node to everything forgotten, lease {LEASE} s: {took:.3f} s")
        wait_until(south.gaps, what="the gap was declared")
        wait_until(lambda: south.run(acts.gaps_told), what="the site's handlers were told")
        assert took < LEASE + 3

    def test_a_worker_that_is_killed_is_no_gap_while_another_of_its_node_lives(
        self, cluster: Cluster, backend: Backend
    ) -> None:
        north, south = cluster.node("north", "sold", workers=2), cluster.node("south", "sold")
        killed = north.agent()
        north.workers.remove(killed)
        killed.kill()
        north.agent()
        south.run(acts.say, "sold", 1)
        for node in (north, south):
            wait_until(lambda node=node: node.heard() == [1] or node.gaps(), what="it was heard")
            assert node.gaps() == [] or not backend.replays

    def test_a_restarted_node_takes_up_where_it_left_off_or_forgets_everything(
        self, cluster: Cluster, backend: Backend
    ) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        south.leave()
        before = north.run(node_acts.now)
        north.run(node_acts.change, EVENT)
        south = cluster.node("south")
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")
        if backend.replays:
            assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"
            assert south.gaps() == []

    def test_eight_forks_of_a_preloaded_master_publish_and_nothing_is_lost(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        assert north.run(fork_and_say, 8, 5) == [0] * 8
        expected = sorted([number, count] for number in range(8) for count in range(5))
        wait_until(lambda: len(south.heard()) >= 40, what="all were heard")
        assert sorted(south.heard()) == expected
        assert south.gaps() == []
        for number in range(8):
            assert [count for child, count in south.heard() if child == number] == [*range(5)]

    # The lease, and writers that die or stall

    def test_the_lease_of_a_stopped_node_lapses_and_so_does_everybodys(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        north.stop()
        print(f"left of a lease of {LEASE} s at the stop: {lapse(north, LEASE):.3f} s, "
              f"at its peer: {lapse(south, LEASE):.3f} s")  # fmt: skip
        north.go_on()
        north.hears()
        south.hears()

    def test_a_stopped_agent_s_lease_goes_on_with_its_heir(self, cluster: Cluster) -> None:
        north = cluster.node("north", workers=2)
        stopped = north.agent()
        stopped.stop()
        north.workers.remove(stopped)
        (heir,) = north.workers
        wait_until(lambda: heir.run(node_acts.is_agent), what="the other one leads")
        north.hears()
        stopped.go_on()

    def test_a_node_that_left_is_not_waited_for(self, cluster: Cluster) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        north.leave()
        until = boottime_ns() + int(LEASE * SECOND)
        table = table_of(south)
        wait_until(lambda: table.words[layout.LEASE_UNTIL] > until, what="the lease is extended")

    def test_what_a_killed_writer_intended_is_heard_by_all(
        self, cluster: Cluster, record_property: Callable[[str, object], None]
    ) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south")
        agent = north.agent()
        (writer,) = [worker for worker in north.workers if worker is not agent]
        writer.run(node_acts.intend, EVENT)
        before = south.run(node_acts.now)
        writer.kill()
        began = monotonic()
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was heard")
        took = monotonic() - began
        record_property("an intent of a killed writer to applied elsewhere, seconds", took)
        print(f"killed writer to applied on the other node, lease {LEASE} s: {took:.3f} s")
        assert took < LEASE + 3
        assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"
        wait_until(lambda: agent.run(node_acts.standing) == 0, what="the intent was buried")

    def test_what_a_stalled_writer_intends_is_said_again_and_again_until_it_is_cleared(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south")
        agent = north.agent()
        (writer,) = [worker for worker in north.workers if worker is not agent]
        writer.run(node_acts.intend, EVENT)
        writer.stop()
        for _ in range(3):
            before = south.run(node_acts.now)
            wait_until(lambda before=before: south.run(node_acts.changed, EVENT) > before)
        writer.go_on()
        writer.run(node_acts.clear)
        assert agent.run(node_acts.standing) == 0
