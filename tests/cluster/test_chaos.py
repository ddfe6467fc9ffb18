"""Whatever is stopped, killed or deleted, and when: no answer is older than a few leases."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.cluster.harness import Cluster, WorkerProcess
from tests.cluster.test_kill_points import DIE, IN_A_TRANSACTION, OF_A_FILL, OF_A_WRITE
from tests.wait import wait_until

pytestmark = pytest.mark.slow

LEASE = 0.5
BOUND = 6 * LEASE
"""Seconds: what is stated is a small multiple of the lease; a loaded machine takes its share, too."""

STALLS = (1, 2)
STEPS = 250


@dataclass
class Site:
    """Two nodes of some workers, what was committed when, and who is stopped."""

    cluster: Cluster
    chance: random.Random
    workers: dict[WorkerProcess, str] = field(default_factory=dict)
    stopped: dict[WorkerProcess, int] = field(default_factory=dict)
    committed: dict[int, list[tuple[float, int]]] = field(
        default_factory=lambda: {pk: [(0.0, 0)] for pk in STALLS}
    )

    def start(self, node: str) -> None:
        self.workers[self.cluster.worker(node)] = node

    @property
    def awake(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker not in self.stopped]

    def anyone(self) -> WorkerProcess:
        return self.chance.choice(self.awake)

    def note(self, pk: int, sold: int) -> None:
        self.committed[pk].append((time.monotonic(), sold))

    def oldest_allowed(self, pk: int, at: float) -> int:
        return max(sold for when, sold in self.committed[pk] if when <= at - BOUND)

    races: list[str] = field(default_factory=list)

    # What may happen ------------------------------------------------------------------------------

    def read(self) -> None:
        pk, began = self.chance.choice(STALLS), time.monotonic()
        way = self.chance.choice(["sold", "plain_sold"])
        seen = self.anyone()(f"{way}({pk})")
        assert seen >= self.oldest_allowed(pk, began), f"{way}({pk}) is {seen}: {self.committed}"
        assert seen <= self.committed[pk][-1][1], "nothing is shown that never was"

    def write(self) -> None:
        pk, writer = self.chance.choice(STALLS), self.anyone()
        sold = writer(f"sell({pk})")
        self.note(pk, sold)
        assert writer(f"sold({pk})") == sold, "its own write"

    def race(self) -> None:
        """Let a write overtake a fill, and look at what the fill has left."""
        reader, writer, began = self.anyone(), self.anyone(), time.monotonic()
        name = f"race-{len(self.races)}"
        loader = f"lambda: wait({name!r}, load(1))"
        filling = reader.start(f"(begin(), cache.get_or_set({name!r}, {loader}, 600))[1]")
        reader.reached(name)
        self.note(1, writer.start("sell(1)").get())
        reader.signal(name)
        assert filling.get() >= self.oldest_allowed(1, began)
        self.races.append(name)

    def look_back(self) -> None:
        began = time.monotonic()
        for name in self.races[-3:]:
            seen = self.anyone()(f"begin(); cache.get({name!r})")
            assert seen is None or seen >= self.oldest_allowed(1, began), name

    def die(self) -> None:
        victim = self.cluster.worker(self.chance.choice("ab"))
        if self.chance.random() < 0.5:
            point, act = self.chance.choice(list(OF_A_WRITE.values())), IN_A_TRANSACTION
        else:
            point, act = self.chance.choice(list(OF_A_FILL.values())), "sold(1)"
        victim.start(f"{DIE}{point}\n{act}\ndie()")
        victim.wait_for_end()
        self.note(1, self.anyone()("begin(); load(1)"))

    def stop(self) -> None:
        if len(self.awake) > 3:
            worker = self.anyone()
            worker.kill(signal.SIGSTOP)
            self.stopped[worker] = self.chance.randrange(5, 40)

    def kill(self) -> None:
        worker = self.anyone()
        worker.kill()
        self.start(self.workers.pop(worker))

    def delete(self) -> None:
        node = self.chance.choice("ab")
        shutil.rmtree(self.cluster.directory / f"node-{node}", ignore_errors=True)
        for worker in self.awake:  # one that is stopped while it makes a new table has its lock
            worker("process.current().table.id")

    def step(self) -> None:
        weights = {
            self.read: 50, self.write: 20, self.die: 8, self.stop: 8, self.kill: 4,
            self.delete: 1, self.race: 6, self.look_back: 10,
        }  # fmt: skip
        (act,) = self.chance.choices(list(weights), list(weights.values()))
        act()
        for worker in list(self.stopped):
            self.stopped[worker] -= 1
            if self.stopped[worker] <= 0:
                self.wake(worker)

    def wake(self, worker: WorkerProcess) -> None:
        del self.stopped[worker]
        worker.kill(signal.SIGCONT)

    def settle(self) -> None:
        """Let everybody go on: then all see what is true, and soon from the cache."""
        for worker in list(self.stopped):
            self.wake(worker)
        for pk in STALLS:
            truth = self.anyone()(f"begin(); load({pk})")
            assert truth == self.committed[pk][-1][1]
            wait_until(lambda pk=pk, truth=truth: self.all_say(f"sold({pk})", truth), 30)  # type: ignore[misc]
            wait_until(lambda pk=pk: self.all_say(f"tier({pk})", "l1"), 30)  # type: ignore[misc]

    def all_say(self, code: str, answer: object) -> bool:
        return all(worker(code) == answer for worker in self.workers)


@pytest.mark.parametrize("seed", range(4))
def test_no_answer_is_older_than_a_few_leases(
    make_cluster: Callable[..., Cluster], seed: int
) -> None:
    site = Site(make_cluster(CLUSTER_LEASE=str(LEASE)), random.Random(seed))
    for node in "aaabbb":
        site.start(node)
    for _ in range(STEPS):
        site.step()
    site.settle()
