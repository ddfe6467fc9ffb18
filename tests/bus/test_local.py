from __future__ import annotations

import json
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.bus import BusError, process as bus_process, publish, subscribe
from nothing_shared.bus.backends.local import LocalBus
from nothing_shared.bus.message import Kind, Message, seal
from nothing_shared.bus.ring import FILE_NAME, Ring
from nothing_shared.bus.roster import SIZE
from nothing_shared.bus.signals import gap_detected
from nothing_shared.node import layout, process, slots
from nothing_shared.signing import signer
from tests.bus import acts
from tests.bus.cluster import Cluster, Node
from tests.bus.contract import Backend, BusContract, table_of
from tests.node import acts as node_acts
from tests.node.workers import Workers
from tests.wait import wait_until

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


class Local(Backend):
    replays = True

    def settings(self) -> dict[str, Any]:
        return {"LOCATION": str(self.directory)}

    def small(self) -> dict[str, Any]:
        return {**self.settings(), "OPTIONS": {"RING_BYTES": 2**16}}


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Local(tmp_path / "bus")


@pytest.fixture
def cluster(backend: Backend, workers: Workers, tmp_path: Path) -> Cluster:
    return Cluster(workers, tmp_path, bus=backend.settings())


@pytest.fixture
def location(backend: Backend) -> Path:
    return backend.directory


class TestLocalBusHoldsTheContract(BusContract):
    @pytest.fixture
    def backend(self, backend: Backend) -> Backend:
        return backend


def put_on_ring(location: Path, *packets: bytes) -> None:
    ring = Ring(location, extra=SIZE)
    with ring.lock.held(5):
        for packet in packets:
            ring.append(packet)


def chatter() -> None:
    """Publish from a thread without end, whatever comes of it."""

    def go() -> None:
        while True:
            try:
                publish("chatter")
            except Exception:
                os.sched_yield()

    threading.Thread(target=go, daemon=True).start()


def handle_in_thread() -> None:
    """Have a receiver of the signal that uses the node, as a metrics collector might."""
    gap_detected.connect(_read_lease)


def _read_lease(**_: Any) -> None:
    process.current().table.leased()


def say_if_there_is_room(payload: str) -> None:
    with suppress(BusError):
        publish("sold", payload)


def use_another_ring(location: Path) -> str:
    """Publish under settings that were not those when the node was opened."""
    from django.test import override_settings

    with override_settings(NOTHING_SHARED_BUS={"LOCATION": str(location)}):
        publish("sold", "elsewhere")
        return str(bus_process.current().directory)  # type: ignore[attr-defined]


def forget_the_agent() -> None:
    process.current().agent.stop()


def subscribe_to_both() -> None:
    subscribe("sold")(acts.heard.append)


# What is on the ring and nobody signed


@pytest.mark.parametrize(
    "packet", [b"", b"noise", b"{}" * 500, b"a.b.c", os.urandom(300)],
    ids=["empty", "short", "long", "dots", "random"],
)  # fmt: skip
def test_a_packet_that_nobody_signed_changes_nothing_and_is_counted(
    cluster: Cluster, location: Path, packet: bytes
) -> None:
    node = cluster.node("north", "sold")
    epochs = node.run(node_acts.epochs)
    put_on_ring(location, packet)
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next message was heard")
    assert len(node.run(acts.drops)) == 1
    assert node.gaps() == []
    assert node.run(node_acts.epochs) == epochs


def test_a_change_in_another_sites_name_changes_nothing(
    cluster: Cluster, location: Path, settings: Any
) -> None:
    node = cluster.node("north", "sold")
    before = node.run(node_acts.now)
    settings.SECRET_KEY = "the key of another site on this machine, which is long enough"
    payload = {"id": 1, "slots": [slots.EPOCH]}
    forged = Message(7, 1, 0, Kind.MESSAGE, "nothing_shared.change", payload)
    put_on_ring(location, seal(forged, signer("bus.default")))
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next message was heard")
    assert node.run(node_acts.changed, EVENT) < before


def signed(*fields: Any) -> bytes:
    return signer("bus.default").sign(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "packet",
    [
        signed(2, 7, 1, 0, "message", "sold", None),
        signed(1, 7, 1, 0, "shout", "sold", None),
        signed(1, 7),
        signer("bus.default").sign(b"[" * 100_000),
        signer("bus.default").sign(b"not json"),
    ],
    ids=["version", "kind", "short", "deep", "text"],
)
def test_a_message_of_another_release_is_passed_over_and_its_number_is_missed(
    cluster: Cluster, location: Path, packet: bytes
) -> None:
    node = cluster.node("north", "sold")
    hello = signed(1, 7, 0, 0, "hello", "", None)
    put_on_ring(location, hello, packet, signed(1, 7, 2, 0, "message", "sold", "the next"))
    wait_until(lambda: node.heard() == ["the next"], what="the next was heard")
    assert [gap.reason for gap in node.gaps()][:1] == ["missing numbers"]


@pytest.mark.parametrize(
    "payload",
    [None, 5, {}, {"id": 1}, {"id": 1, "slots": 5}, {"id": 2**65, "slots": [5]},
     {"id": 1, "slots": [-(2**40)]}, {"id": 1, "slots": ["five"]}],
)  # fmt: skip
def test_a_change_that_cannot_be_understood_changes_everything(
    cluster: Cluster, location: Path, payload: Any
) -> None:
    node = cluster.node("north", "sold")
    before = node.run(node_acts.now)
    put_on_ring(location, signed(1, 7, 1, 0, "hello", "", None))
    put_on_ring(location, signed(1, 7, 2, 0, "message", "nothing_shared.change", payload))
    wait_until(lambda: node.run(node_acts.changed, EVENT) > before, what="all is forgotten")
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next message was heard")


# Rings and directories that are lost


def both_hear_each_other_again(north: Node, south: Node) -> None:
    """Have both talk until each has heard the other: on a busy ring a message may yet be in a gap."""
    for node in (north, south):
        node.hears()

    def all_heard() -> bool:
        north.run(say_if_there_is_room, "from north")
        south.run(say_if_there_is_room, "from south")
        return all({"from north", "from south"} <= {*node.heard()} for node in (north, south))

    wait_until(all_heard, 20, what="each heard the other")


@pytest.mark.parametrize("are_talking", [False, True], ids=["quiet", "talking"])
@pytest.mark.parametrize("lost", [".", FILE_NAME], ids=["directory", "ring"])
def test_nodes_whose_ring_was_deleted_find_each_other_again_and_forget_everything(
    cluster: Cluster, location: Path, lost: str, are_talking: bool
) -> None:
    north, south = cluster.node("north", "sold", workers=2), cluster.node("south", "sold")
    if are_talking:
        for worker in (*north.workers, *south.workers):
            worker.run(chatter)
    before = [node.run(node_acts.now) for node in (north, south)]
    if lost == ".":
        shutil.rmtree(location)
    else:
        (location / lost).unlink()
    for node, then in zip((north, south), before, strict=True):
        wait_until(
            lambda node=node, then=then: node.run(node_acts.changed, EVENT) > then,
            what="everything is forgotten",
        )
        wait_until(node.gaps, what="the gap was declared")
    both_hear_each_other_again(north, south)


def test_a_deleted_node_directory_costs_a_restart_of_its_table_and_nobody_elses_lease(
    cluster: Cluster,
) -> None:
    north, south = cluster.node("north", "sold", workers=2), cluster.node("south", "sold")
    first = north.run(node_acts.table_id)
    shutil.rmtree(north.directory)
    for worker in north.workers:
        wait_until(lambda worker=worker: worker.run(node_acts.table_id) != first, what="a new one")
    until = table_of(south).words[layout.LEASE_UNTIL] + 10**9
    table = table_of(south)
    wait_until(lambda: table.words[layout.LEASE_UNTIL] > until, what="the lease is extended")
    both_hear_each_other_again(north, south)
    ids = {worker.run(node_acts.table_id) for worker in north.workers}
    assert len(ids) == 1, "its workers are one node again"


def test_a_change_committed_while_the_node_directory_is_away_is_heard_by_all(
    cluster: Cluster,
) -> None:
    north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
    shutil.rmtree(north.directory)
    before = south.run(node_acts.now)
    north.run(node_acts.change, EVENT)
    wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")


def test_a_damaged_ring_is_a_gap(cluster: Cluster, location: Path) -> None:
    node = cluster.node("north", "sold")
    node.stop()
    ring = Ring(location, extra=SIZE)
    start = ring.head
    put_on_ring(location, b"to be damaged")
    ring._data[(start + 10) % ring.size] ^= 1
    node.go_on()
    wait_until(node.gaps, what="the gap was declared")
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next was heard")


# Readers that come late


def test_a_node_restarted_after_it_was_lapped_forgets_everything(
    cluster: Cluster, backend: Backend
) -> None:
    cluster.bus = backend.small()
    north, south = cluster.node("north"), cluster.node("south")
    south.leave()
    before = north.run(node_acts.now)
    for _ in range(400):
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
