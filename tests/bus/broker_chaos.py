"""Real nodes on a real broker, both of which are cut, frozen, stopped and killed, at random by a seed.

Two things must hold. At every moment: a node that has its lease has applied every change that was
committed a bounded time ago. At the end: every message was handed out on every node, or lies in a
gap that the node's handlers were told of; and no gap was told of where nothing is missing.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from nothing_shared.bus import BusError, Gap, Message, publish, subscribe
from nothing_shared.clock import boottime_ns
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process
from tests.bus.cluster import Cluster
from tests.bus.test_chaos import Chaos, Watcher, write_without_end
from tests.node import acts as node_acts
from tests.node.workers import Worker
from tests.servers import Proxy, Server
from tests.wait import wait_until

__all__ = ["BROKER", "NODES", "BrokerChaos", "Outcome", "run"]

NAMES = ("north", "south", "west")
NODES = tuple("kill kill kill_node stop stop go_on go_on go_on leave".split())
BROKER = tuple(
    "cut cut freeze freeze thaw thaw thaw refuse accept accept restart kill_broker".split()
)


def trade_without_end(base: Path, name: str, ease: float) -> None:
    """Write and publish without end, and note down what was heard and missed."""
    heard = os.open(base / f"{name}.heard", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    said = os.open(base / "said", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note_gap(gap: Gap) -> None:
        numbers = f"{gap.origin} {gap.first} {gap.last}"
        os.write(heard, f"G {boottime_ns()} {numbers} {gap.reason}\n".encode())

    @subscribe("sold", on_gap=note_gap)
    def note(message: Message) -> None:
        line = f"H {message.origin} {message.sequence} {message.payload}\n"
        os.write(heard, line.encode())

    write_without_end(base / "log", pause=0.05 * ease)
    nap, count = threading.Event(), 0

    def trade() -> None:
        nonlocal count
        while not nap.wait(0.03 * ease) and not (base / "log.end").exists():
            count += 1
            payload = f"{os.getpid()}-{count}"
            with contextlib.suppress(BusError, LockTimeout):
                origin = process.current().table.id
                publish("sold", payload)
                os.write(said, f"{boottime_ns()} {origin} {payload}\n".encode())

    threading.Thread(target=trade, daemon=True).start()


class BrokerChaos(Chaos):
    """Workers of three nodes, the broker, and the way to it."""

    def __init__(
        self, cluster: Cluster, base: Path, chance: random.Random, server: Server, proxy: Proxy,
        ease: float,
    ) -> None:  # fmt: skip
        super().__init__(cluster, base / "log", chance)
        self.base, self.server, self.proxy, self.ease = base, server, proxy, ease

    def start(self, name: str) -> None:
        worker = self.cluster.start(name)
        worker.begin(trade_without_end, self.base, name, self.ease)
        self.workers.append((name, worker))

    def cut(self) -> None:
        self.proxy.cut()

    def freeze(self) -> None:
        self.proxy.freeze()

    def thaw(self) -> None:
        self.proxy.thaw()

    def refuse(self) -> None:
        self.proxy.refuse()

    def accept(self) -> None:
        self.proxy.accept()

    def restart(self) -> None:
        self.server.stop()
        self.server.start()

    def kill_broker(self) -> None:
        self.server.kill()
        self.server.start()

    def heal(self) -> None:
        self.proxy.thaw()
        self.proxy.accept()
        for _, worker in self.workers:
            worker.go_on()


@dataclass(frozen=True)
class Outcome:
    """What became of the messages."""

    published: int
    delivered: int
    in_gaps: int
    undetected: list[str]
    false: list[str]
    share_leased: float
    done: dict[str, int]

    def __str__(self) -> str:
        return (
            f"{self.published} messages to 3 nodes: {self.delivered} delivered, {self.in_gaps} in "
            f"gaps, {len(self.undetected)} undetected; {len(self.false)} false gaps; "
            f"{self.share_leased:.0%} of looks leased; {self.done}"
        )


def run(
    cluster: Cluster,
    base: Path,
    seed: int,
    server: Server,
    proxy: Proxy,
    *,
    ease: float = 1.0,
    faults: tuple[str, ...] = NODES + BROKER,
    seconds: float = 8.0,
) -> Outcome:
    """Let faults happen for a while, heal all, wait until all is heard, and count."""
    chaos = BrokerChaos(cluster, base, random.Random(seed), server, proxy, ease)
    watcher = Watcher(base, chaos.log)
    for name in NAMES:
        watcher.unseen[name] = []
        chaos.start(name)
        chaos.start(name)
    first = [worker for _, worker in chaos.workers]
    for worker in first:
        finish(worker)
    begin_to_count(base)
    happen(chaos, watcher, faults, seconds)
    chaos.heal()
    (base / "log.end").touch()
    wait_until(watcher.has_seen_all, 180, what="every node has applied every change")
    for _, worker in chaos.workers:
        finish(worker, has_begun=worker in first)
    wait_until(lambda: not missing(base), 60, what="every message is heard, or in a gap")
    return judge(base, watcher, chaos)


def finish(worker: Worker, *, has_begun: bool = False) -> None:
    """Wait until a worker hears the bus."""
    if not has_begun:
        worker.result()
    wait_until(lambda: worker.run(node_acts.is_leased), 180, what="it is leased")


def happen(chaos: BrokerChaos, watcher: Watcher, faults: tuple[str, ...], seconds: float) -> None:
    until, next_fault = monotonic() + seconds, monotonic() + 0.5
    while monotonic() < until:
        watcher.read_log()
        for name in NAMES:
            watcher.look(name)
        if monotonic() > next_fault:
            chaos.happen(*faults)
            next_fault = monotonic() + chaos.chance.uniform(0.05, 0.5)


def begin_to_count(base: Path) -> None:
    """Count from here on: what a node missed before it had begun to listen is not owed to it."""
    (base / "begin").write_text(str((base / "said").stat().st_size), encoding="ascii")


class Told(NamedTuple):
    """A gap, and when it was told of."""

    at: int
    gap: Gap

    def covers(self, said: Said, sequence: int | None) -> bool:
        """Say whether a message lies in it; one without numbers covers what was said before it."""
        gap = self.gap
        if gap.origin not in (None, said.origin):
            return False
        if gap.last is None or sequence is None:
            return said.at <= self.at
        return (gap.first or 0) <= sequence <= gap.last


class Said(NamedTuple):
    at: int
    origin: int
    payload: str


@dataclass
class Heard:
    """What one node was handed, and told of."""

    messages: dict[str, tuple[int, int]]
    gaps: list[Told]
    count: Counter[str]

    @classmethod
    def read(cls, path: Path) -> Heard:
        heard = cls({}, [], Counter())
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, *fields = line.split(" ", 5)
            if kind == "H":
                origin, sequence, payload = fields
                heard.messages[payload] = (int(origin), int(sequence))
                heard.count[payload] += 1
            else:
                numbers = [None if field == "None" else int(field) for field in fields[1:4]]
                heard.gaps.append(Told(int(fields[0]), Gap(fields[4], *numbers)))
        return heard

    def covers(self, said: Said, sequence: int | None) -> bool:
        return any(told.covers(said, sequence) for told in self.gaps)


def said(base: Path) -> list[Said]:
    data = (base / "said").read_bytes()[int((base / "begin").read_text()) :]
    lines = map(str.split, data.decode().splitlines())
    return [Said(int(at), int(origin), payload) for at, origin, payload in lines]


def all_heard(base: Path) -> dict[str, Heard]:
    return {name: Heard.read(base / f"{name}.heard") for name in NAMES}


def missing(base: Path) -> list[str]:
    """Return what is neither heard nor in a gap, of what was said."""
    heard = all_heard(base)
    numbers = {m: at for each in heard.values() for m, at in each.messages.items()}
    return [
        f"{name}: {what}"
        for name, each in heard.items()
        for what in said(base)
        if what.payload not in each.messages
        and not each.covers(what, numbers[what.payload][1] if what.payload in numbers else None)
    ]


def judge(base: Path, watcher: Watcher, chaos: BrokerChaos) -> Outcome:
    heard = all_heard(base)
    published = said(base)
    delivered = sum(what.payload in each.messages for each in heard.values() for what in published)
    undetected = missing(base)
    return Outcome(
        published=len(published),
        delivered=delivered,
        in_gaps=3 * len(published) - delivered - len(undetected),
        undetected=undetected,
        false=[f"{name}: {gap}" for name, each in heard.items() for gap in false_gaps(each)],
        share_leased=watcher.leased / max(watcher.looks, 1),
        done=chaos.done,
    )


def false_gaps(heard: Heard) -> list[str]:
    """Return gaps of which every number was heard."""
    numbers = set(heard.messages.values())
    return [
        str(gap)
        for _, gap in heard.gaps
        if gap.first is not None
        and gap.last is not None
        and all((gap.origin, number) in numbers for number in range(gap.first, gap.last + 1))
    ]
