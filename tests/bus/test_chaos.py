"""Real processes that write, and are killed, stopped and robbed of their files, at random.

One thing must hold at every moment: a node that has its lease has applied every change that was
committed a bounded time ago, wherever, and whatever became of the process that committed it.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest

from nothing_shared.bus.ring import FILE_NAME
from nothing_shared.clock import SECOND, boottime_ns
from nothing_shared.node import Change, layout, process, slots
from nothing_shared.node.table import FILE_NAME as FILE_OF_TABLE, ChangeTable
from tests.bus.cluster import LEASE, Cluster
from tests.node import acts as node_acts
from tests.node.workers import Worker
from tests.wait import wait_until

ENTRY = struct.Struct("<QQ")
BOUND = int(1.5 * LEASE * SECOND)
"""A stalled writer's intent is left alone for half a lease; then the lease counts from a heartbeat."""

SECONDS = 8.0


def write_without_end(log: Path, pause: float = 0.003) -> None:
    """Commit change after change: noting each down at the moment when its COMMIT would return."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nap = threading.Event()

    def write() -> None:
        while not nap.wait(pause):
            if log.with_suffix(".end").exists():
                return
            slot = random.SystemRandom().randrange(slots.FIRST_HASHED, 2**32)
            node = process.current()
            intent = node.intend((slot,))
            assert intent is not None
            os.write(file, ENTRY.pack(slot, boottime_ns()))
            node.commit(Change((slot,)), intent)

    for _ in range(2):
        threading.Thread(target=write, daemon=True).start()


@dataclass
class Watcher:
    """Judges the tables of all nodes by what was committed, as a reader of their caches would."""

    base: Path
    log: Path
    committed: list[tuple[int, int]] = field(default_factory=list)
    unseen: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    tables: dict[str, ChangeTable] = field(default_factory=dict)
    leased: int = 0
    looks: int = 0

    def read_log(self) -> None:
        data = self.log.read_bytes() if self.log.exists() else b""
        new = list(ENTRY.iter_unpack(data[len(self.committed) * ENTRY.size :]))
        self.committed.extend(new)
        for entries in self.unseen.values():
            entries.extend(new)

    def look(self, name: str, *, allowed: int = BOUND) -> None:
        """Fail if the node has its lease, and has not applied what was committed long ago."""
        table = self.table(name)
        if table is None:
            return
        lease, before = table.words[layout.LEASE_UNTIL], boottime_ns()
        missed = [entry for entry in self.unseen[name] if not applied(table, *entry)]
        is_leased = boottime_ns() < lease and table.is_current()
        self.looks, self.leased = self.looks + 1, self.leased + is_leased
        late = [when for _, when in missed if when < before - allowed]
        assert not (late and is_leased), (
            f"{name} has its lease, and lacks a change of {(before - min(late)) / SECOND:.3f} s ago"
        )
        self.unseen[name] = missed

    def table(self, name: str) -> ChangeTable | None:
        known = self.tables.get(name)
        if known is not None and known.is_current():
            return known
        place = self.base / name
        if not (place / FILE_OF_TABLE).exists():
            return None
        self.tables[name] = ChangeTable(place)
        return self.tables[name]

    def has_seen_all(self) -> bool:
        self.read_log()
        for name in self.unseen:
            self.look(name)
        return not any(self.unseen.values())


def applied(table: ChangeTable, slot: int, when: int) -> bool:
    return max(table.changed[slots.EPOCH], table.changed[table.index(slot)]) >= when


class Chaos:
    """Workers of three nodes, and what happens to them."""

    def __init__(self, cluster: Cluster, log: Path, chance: random.Random) -> None:
        self.cluster, self.log, self.chance = cluster, log, chance
        self.workers: list[tuple[str, Worker]] = []
        self.stopped: list[Worker] = []
        self.leaving: list[Worker] = []
        self.done: dict[str, int] = {}

    def start(self, name: str) -> None:
        """Start a worker, without waiting for it: what happens next may as well hit it while it joins."""
        worker = self.cluster.start(name)
        worker.begin(write_without_end, self.log)
        self.workers.append((name, worker))

    def kill(self) -> None:
        name, worker = self.take()
        worker.kill()
        self.start(name)

    def kill_node(self) -> None:
        name = self.chance.choice(self.workers)[0]
        for entry in [entry for entry in self.workers if entry[0] == name]:
            self.workers.remove(entry)
            self.forget(entry[1])
            entry[1].kill()
        self.start(name)
        self.start(name)

    def stop(self) -> None:
        self.stop_one(self.chance.choice(self.workers)[1])

    def stop_node(self) -> None:
        name = self.chance.choice(self.workers)[0]
        for owner, worker in self.workers:
            if owner == name:
                self.stop_one(worker)

    def stop_one(self, worker: Worker) -> None:
        if worker not in self.stopped:
            worker.stop()
            self.stopped.append(worker)

    def go_on(self) -> None:
        if self.stopped:
            self.stopped.pop(0).go_on()

    def leave(self) -> None:
        name, worker = self.take()
        worker.go_on()
        self.leaving.append(worker)
        worker.hang_up()
        self.start(name)

    def lose_ring(self) -> None:
        (self.cluster.base / "bus" / FILE_NAME).unlink(missing_ok=True)

    def lose_bus(self) -> None:
        shutil.rmtree(self.cluster.base / "bus", ignore_errors=True)

    def lose_node(self) -> None:
        name = self.chance.choice(self.workers)[0]
        shutil.rmtree(self.cluster.base / name, ignore_errors=True)

    def take(self) -> tuple[str, Worker]:
        entry = self.chance.choice(self.workers)
        self.workers.remove(entry)
        self.forget(entry[1])
        return entry

    def forget(self, worker: Worker) -> None:
        if worker in self.stopped:
            self.stopped.remove(worker)

    def happen(self, *faults: str) -> None:
        fault = self.chance.choice(faults)
        getattr(self, fault)()
        self.done[fault] = self.done.get(fault, 0) + 1


PROCESSES = tuple("kill kill kill_node stop stop stop_node go_on go_on go_on go_on leave".split())
RINGS = (*PROCESSES, "lose_ring", "lose_bus")
NODES = tuple("stop stop stop_node go_on go_on go_on go_on lose_node lose_ring".split())


@pytest.mark.slow
@pytest.mark.parametrize("faults", [PROCESSES, RINGS, NODES], ids=["processes", "rings", "nodes"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_node_that_has_its_lease_lacks_no_change_of_long_ago(
    cluster: Cluster, tmp_path: Path, seed: int, faults: tuple[str, ...]
) -> None:
    chaos = Chaos(cluster, tmp_path / "log", random.Random(seed))
    watcher = Watcher(tmp_path, chaos.log)
    for name in ("north", "south", "west"):
        watcher.unseen[name] = []
        chaos.start(name)
        chaos.start(name)
    watch(chaos, watcher, faults)
    for _, worker in chaos.workers:
        worker.go_on()
    chaos.log.with_suffix(".end").touch()  # under a load there is always a change on its way
    for _, worker in chaos.workers:
        worker.result()
        worker.run(node_acts.join)
    wait_until(watcher.has_seen_all, 30, what="every node has applied every change")
    for _, worker in chaos.workers:
        wait_until(lambda worker=worker: worker.run(node_acts.is_leased), 30, what="it is leased")
    share = watcher.leased / watcher.looks
    print(
        f"{len(watcher.committed)} changes, {watcher.looks} looks, {share:.0%} leased, {chaos.done}"
    )
    assert watcher.committed
    assert watcher.leased


def watch(chaos: Chaos, watcher: Watcher, faults: tuple[str, ...]) -> None:
    until, next_fault = monotonic() + SECONDS, monotonic() + 1.0
    while monotonic() < until:
        watcher.read_log()
        for name in watcher.unseen:
            watcher.look(name)
        if monotonic() > next_fault:
            chaos.happen(*faults)
            next_fault = monotonic() + chaos.chance.uniform(0.01, 0.3)
