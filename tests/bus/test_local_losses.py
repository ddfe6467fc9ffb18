"""Rings and directories that are deleted while nodes use them."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from time import sleep

import pytest

from nothing_shared.bus import BusError, publish
from nothing_shared.bus.ring import FILE_NAME, Ring
from nothing_shared.bus.roster import SEQUENCE, SIZE, Roster
from nothing_shared.node import layout, slots
from tests.bus import acts
from tests.bus.cluster import LEASE, Cluster, Node
from tests.bus.promises_of_nodes import table_of
from tests.node import acts as node_acts
from tests.wait import wait_until

EVENT = slots.table("db", "event")


def chatter() -> None:
    """Publish from a thread without end, whatever comes of it."""

    def go() -> None:
        while True:
            try:
                publish("chatter")
            except Exception:
                os.sched_yield()

    threading.Thread(target=go, daemon=True).start()


def say_if_there_is_room(payload: str) -> None:
    with suppress(BusError):
        publish("sold", payload)


def ring_of(node: Node) -> int:
    """Name the ring that a node's agent reads; 0 while it moves to another."""
    return int(table_of(node).words[layout.HISTORY])


def both_hear_each_other_again(north: Node, south: Node) -> None:
    """Have both talk until each has heard the other: on a busy ring a message may yet be in a gap."""
    for node in (north, south):
        node.hears()

    def all_heard() -> bool:
        north.run(say_if_there_is_room, "from north")
        south.run(say_if_there_is_room, "from south")
        return all({"from north", "from south"} <= {*node.heard()} for node in (north, south))

    wait_until(all_heard, 20, what="each heard the other")


@pytest.mark.parametrize(
    "are_talking", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quiet", "talking"]
)
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


@pytest.mark.parametrize("lost", [".", FILE_NAME], ids=["directory", "ring"])
def test_nobody_believes_its_cache_on_a_new_ring_while_one_who_may_write_sits_on_the_lost_one(
    cluster: Cluster, location: Path, lost: str
) -> None:
    north, south, west = (cluster.node(name) for name in ("north", "south", "west"))
    ring = ring_of(north)
    west.stop()
    if lost == ".":
        shutil.rmtree(location)
    else:
        (location / lost).unlink()
    for node in (north, south):
        wait_until(lambda node=node: ring_of(node) not in (0, ring), what="the new ring")
        wait_until(lambda node=node: not node.run(node_acts.is_leased), what="its lease lapses")
    for _ in range(10):
        sleep(LEASE / 5)
        assert not any(node.run(node_acts.is_leased) for node in (north, south))
    west.go_on()
    for node in (north, south, west):
        node.hears()


def test_a_node_that_is_killed_before_it_came_from_a_lost_ring_is_a_gap(
    cluster: Cluster, location: Path
) -> None:
    north, west = cluster.node("north", "sold"), cluster.node("west")
    ring = ring_of(north)
    west.stop()
    (location / FILE_NAME).unlink()
    wait_until(lambda: ring_of(north) not in (0, ring), what="the new ring")
    wait_until(north.gaps, what="the gap of the ring")
    wait_until(lambda: not north.run(node_acts.is_leased), what="its lease lapses")
    before = north.run(node_acts.epochs)
    west.kill()
    wait_until(lambda: north.run(node_acts.epochs) > before, what="another gap")
    north.hears()


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
    with ring.lock.held(5):
        ring.append(b"to be damaged")
    ring._data[(start + 10) % ring.size] ^= 1
    node.go_on()
    wait_until(node.gaps, what="the gap was declared")
    node.run(acts.say, "sold", 1)
    wait_until(lambda: node.heard() == [1], what="the next was heard")


def test_a_last_message_that_was_lost_is_found_by_the_number_that_its_sender_reached(
    cluster: Cluster, location: Path
) -> None:
    north, south = cluster.node("north"), cluster.node("south", "sold")
    north.stop()
    seats = Roster(Ring(location, extra=SIZE).extra, location / "unused.lock")
    (seat,) = [seat for seat in seats.seats() if seat.origin == table_of(north).id]
    seats.note(seat.cell, SEQUENCE, seat.sequence + 1)
    wait_until(south.gaps, what="the gap was declared")
    assert south.gaps()[0].reason == "missing last numbers"
