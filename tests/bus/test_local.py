from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.bus import process as bus_process, publish
from nothing_shared.bus.backends.local import LocalBus
from nothing_shared.bus.ring import FILE_NAME, Ring
from nothing_shared.bus.roster import SIZE, Roster
from nothing_shared.bus.signals import gap_detected
from nothing_shared.clock import SECOND
from nothing_shared.node import Change, hooks, layout, process, slots
from tests.bus import acts
from tests.bus.cluster import Backend, Cluster, Node
from tests.bus.contract import BusContract
from tests.bus.promises_of_nodes import table_of
from tests.bus.test_local_losses import chatter
from tests.node import acts as node_acts
from tests.wait import wait_until

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


class TestLocalBusHoldsTheContract(BusContract):
    @pytest.fixture
    def backend(self, backend: Backend) -> Backend:
        return backend


def handle_in_thread() -> None:
    """Have a receiver of the signal that uses the node, as a metrics collector might."""
    gap_detected.connect(_read_lease)


def _read_lease(**_: Any) -> None:
    process.current().table.leased()


def use_another_ring(location: Path) -> str:
    """Publish under settings that were not those when the node was opened."""
    from django.test import override_settings

    with override_settings(NOTHING_SHARED_BUS={"LOCATION": str(location)}):
        publish("sold", "elsewhere")
        return str(bus_process.current().directory)  # type: ignore[attr-defined]


# Readers that come late


def test_a_node_restarted_after_it_was_lapped_forgets_everything(
    cluster: Cluster, backend: Backend
) -> None:
    cluster.bus = backend.small()
    north, south = cluster.node("north"), cluster.node("south")
    south.leave()
    before = north.run(node_acts.now)
    for _ in range(800):
        assert north.run(node_acts.change, USER)
    south = cluster.node("south")
    wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="all is forgotten")


def test_a_node_killed_and_restarted_takes_up_where_it_left_off(cluster: Cluster) -> None:
    north, south = cluster.node("north"), cluster.node("south")
    before = south.run(node_acts.now)
    south.kill()
    assert north.run(node_acts.change, EVENT)
    south = cluster.node("south")
    wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")
    assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"


@pytest.mark.slow
def test_an_agent_that_cannot_keep_up_yields_to_its_other_tasks(cluster: Cluster) -> None:
    """However fast the ring fills, heartbeats go out and the lease is kept."""
    north, south = cluster.node("north", lease=2.0), cluster.node("south", lease=2.0)
    for worker in (*north.workers, *south.workers):
        worker.run(chatter)
    until = table_of(south).words[layout.LEASE_UNTIL] + 2 * 10**9
    for table in (table_of(north), table_of(south)):
        wait_until(lambda table=table: table.words[layout.LEASE_UNTIL] > until, 30, what="extended")


def test_a_newcomer_is_leased_at_once(cluster: Cluster) -> None:
    north = cluster.node("north", lease=10.0)
    south = cluster.node("south", lease=10.0)
    assert south.run(node_acts.is_leased)
    assert north.run(node_acts.is_leased)


def test_a_newcomer_beside_a_dead_node_is_told_of_no_gap(cluster: Cluster) -> None:
    cluster.node("north").kill()
    south = cluster.node("south", "sold")
    left = south.run(node_acts.lease_left)
    wait_until(lambda: south.run(node_acts.lease_left) > left, what="it looked at the roster")
    assert south.gaps() == []


_announced: list[int] = []


def announce_slowly() -> None:
    hooks.on_announce(_announce_slowly)


def _announce_slowly(node: process.Node, change: Change) -> None:
    _announced.append(node.table.clock())
    threading.Event().wait(0.3)


def announced() -> list[int]:
    return list(_announced)


@pytest.mark.slow
def test_a_heartbeat_counts_from_when_the_sweep_before_it_began(
    cluster: Cluster, location: Path
) -> None:
    """However long the sweep took: a change that it came too late for is not covered by the beat."""
    north = cluster.node("north", lease=2.0)
    north.run(announce_slowly)
    north.run(node_acts.intend, EVENT)
    roster = Roster(Ring(location, extra=SIZE).extra, location / "unused.lock")
    beats = set[int]()

    def seen_enough() -> bool:
        beats.update(seat.beat for seat in roster.seats())
        return len(north.run(announced)) > 3

    wait_until(seen_enough, 30, what="it swept several times")
    swept = north.run(announced)
    assert any(0 <= moment - beat < 0.1 * SECOND for beat in beats for moment in swept)
    assert not any(0 < beat - moment < 0.3 * SECOND for beat in beats for moment in swept)


# Settings


def test_settings_that_are_overridden_later_are_those_that_count(
    cluster: Cluster, tmp_path: Path
) -> None:
    node = cluster.node("north", "sold")
    assert node.run(use_another_ring, tmp_path / "other") == str(tmp_path / "other")
    assert (tmp_path / "other" / FILE_NAME).exists()
    node.run(acts.say, "sold", "here")
    wait_until(lambda: node.heard() == ["here"], what="the first ring is in use again")


def test_other_namespaces_on_one_ring_do_not_hear_each_other(
    cluster: Cluster, backend: Backend
) -> None:
    north = cluster.node("north", "sold")
    south = Node(cluster.base / "south", [cluster.worker("south", "sold", NAMESPACE="other")])
    south.run(acts.say, "sold", "theirs")
    north.run(acts.say, "sold", "ours")
    wait_until(lambda: north.heard() == ["ours"], what="ours was heard")
    assert north.run(acts.drops)


def test_its_directory_is_the_users_and_projects_where_none_is_named(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {}
    bus = bus_process.current()
    assert isinstance(bus, LocalBus)
    assert str(os.geteuid()) in str(bus.directory)


def test_signals_are_sent_with_each_gap(cluster: Cluster) -> None:
    north, south = cluster.node("north"), cluster.node("south", "sold")
    south.run(handle_in_thread)
    north.kill()
    wait_until(south.gaps, what="the signal was sent")
    (gap,) = south.gaps()
    assert gap.reason == "a node vanished without a goodbye"
    wait_until(lambda: south.run(acts.gaps_told) == [gap], what="handlers were told the same")
