"""What each backend of the bus adds to the client that it stands on: delay, rate, and the call."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import monotonic_ns
from typing import Any

from tests.benchmarks.measuring import quantile
from tests.benchmarks.raw_buses import RAW, TOPIC, Raw, say, time_of
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import describe, home, set_up
from tests.benchmarks.transports import Transported
from tests.servers import PostgreSQLServer, Server, nats, postgresql, redis

TITLE = (
    "Buses between two processes: microseconds and messages a second, and times the raw client's"
)

ROUNDS, PACED, RATE, FAST = 3, 400, 400, 1000

_context = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Case:
    """A backend, and the server of both it and its raw client."""

    name: str
    start: Callable[[], AbstractContextManager[Server]]
    path: str
    options: dict[str, Any] = field(default_factory=dict)


BACKENDS = "nothing_shared.bus.backends"
CASES = (
    Case("redis streams", redis, f"{BACKENDS}.redis.RedisBus"),
    Case("redis pubsub", redis, f"{BACKENDS}.redis.RedisBus", {"MODE": "pubsub"}),
    Case("nats jetstream", nats, f"{BACKENDS}.nats.NatsBus"),
    Case("nats core", nats, f"{BACKENDS}.nats.NatsBus", {"MODE": "core"}),
    Case("postgres", postgresql, f"{BACKENDS}.postgres.PostgresBus"),
)

HEAD = [
    "backend", "p50, raw", "agent to agent", "ratio", "p50", "ratio", "p99, raw", "p99",
    "calls, raw", "call", "ratio", "a second, raw", "a second", "ratio",
]  # fmt: skip


@dataclass
class Figures:
    """One side's: microseconds of every message, of every call, and messages a second."""

    delays: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


def run(report: Report, quick: bool) -> None:
    rounds, paced, fast = (1, 20, 50) if quick else (ROUNDS, PACED, FAST)
    with home() as directory:
        report.say(describe(directory), "")
        found = {case.name: measure(directory, case, rounds, paced, fast) for case in CASES}
    rows = [row(name, *legs) for name, legs in found.items()]
    report.say(*table(HEAD, rows), "")
    report.figures["rows"] = [HEAD, *rows]
    for name, (raw, agents, ours) in found.items():
        for way, leg in (("from agent to agent", agents), ("from publish() to handler", ours)):
            delay = median(leg.delays) / median(raw.delays)
            report.judge(Target(f"p50 of {name}, {way}", delay, 1.5, " x raw"))
        calls = median(ours.calls) / median(raw.calls)
        report.judge(Target(f"publish(), {name}", calls, 1.5, " x raw"))


def row(name: str, raw: Figures, agents: Figures, ours: Figures) -> list[str]:
    def three(mine: float, theirs: float) -> list[str]:
        return [f"{theirs:,.0f}", f"{mine:,.0f}", f"{mine / theirs:.2f}"]

    return [
        name,
        *three(median(agents.delays), median(raw.delays)),
        *three(median(ours.delays), median(raw.delays))[1:],
        f"{quantile(raw.delays, 0.99):,.0f}",
        f"{quantile(ours.delays, 0.99):,.0f}",
        *three(median(ours.calls), median(raw.calls)),
        *three(median(ours.rates), median(raw.rates)),
    ]


def measure(
    directory: Path, case: Case, rounds: int, paced: int, fast: int
) -> tuple[Figures, Figures, Figures]:
    raw, agents, ours = Figures(), Figures(), Figures()
    place = directory / case.name.replace(" ", "-")
    place.mkdir(mode=0o700)
    with ExitStack() as stack:
        server: Any = stack.enter_context(case.start())
        url, own = server.url, settings_of(case, server)
        raw_pair = [stack.enter_context(process(be_raw, case.name, url)) for _ in "sr"]
        own_pair = [stack.enter_context(process(be_node, place, name, own)) for name in "ab"]
        apart = {**own, "bus": {**own["bus"], "NAMESPACE": "agents"}}
        agents_pair = [stack.enter_context(process(be_agent, place, name, apart)) for name in "cd"]
        for _ in range(rounds):
            pace(agents_pair, agents, paced, 1 / RATE)
            for pair, figures in ((raw_pair, raw), (own_pair, ours)):
                pace(pair, figures, paced, 1 / RATE)
                pace(pair, figures, fast, 0)
    return raw, agents, ours


def settings_of(case: Case, server: Any) -> dict[str, Any]:
    """Return what a node has to know of its bus and database."""
    if isinstance(server, PostgreSQLServer):
        return {"bus": {"BACKEND": case.path}, "database": server.settings()}
    return {"bus": {"BACKEND": case.path, "LOCATION": server.url, "OPTIONS": case.options}}


def pace(pair: list[Connection], figures: Figures, count: int, interval: float) -> None:
    """Send messages, paced or as fast as it goes, and note what became of them."""
    sender, receiver = pair
    receiver.send(("hear", count, 0.0))
    assert receiver.recv() == "ready"
    began = monotonic_ns()
    sender.send(("say", count, interval))
    calls = sender.recv()
    delays, last = receiver.recv()
    if interval:
        figures.delays += delays
        figures.calls += calls
    else:
        figures.rates.append(count / ((last - began) / 1e9))


@contextmanager
def process(target: Callable[..., None], *args: Any) -> Iterator[Connection]:
    pipe, theirs = _context.Pipe()
    started = _context.Process(target=target, args=(theirs, *args), daemon=True)
    started.start()
    theirs.close()
    try:
        assert pipe.recv() == "open"
        yield pipe
    finally:
        pipe.close()
        started.join(10)
        started.kill()


def be_raw(pipe: Connection, name: str, url: str) -> None:
    serve(pipe, RAW[name](url))


def be_agent(pipe: Connection, directory: Path, name: str, own: dict[str, Any]) -> None:
    serve(pipe, Transported(directory, name, own))


def serve(pipe: Connection, raw: Raw) -> None:
    raw.open()
    pipe.send("open")
    while True:
        try:
            what, count, interval = pipe.recv()
        except EOFError:
            return
        if what == "say":
            pipe.send(raw.say(count, interval))
            continue
        heard: list[tuple[int, int]] = []
        raw.listen(
            lambda: pipe.send("ready"),
            lambda sent, to=heard: to.append((sent, monotonic_ns())),
            count,
        )
        pipe.send(delays_of(heard))


def delays_of(heard: list[tuple[int, int]]) -> tuple[list[float], int]:
    return [(at - sent) / 1000 for sent, at in heard], heard[-1][1]


def be_node(pipe: Connection, directory: Path, name: str, own: dict[str, Any]) -> None:
    set_up(directory, node=name, **own)
    from django.core.management import call_command

    from nothing_shared.locks import MachineLock

    with MachineLock(directory / "migrating.lock").held(60):
        call_command("migrate", "nothing_shared_bus", verbosity=0)
    from nothing_shared.bus import BusFull, publish, subscribe
    from nothing_shared.node import process as node_process

    heard: list[tuple[int, int]] = []
    news = threading.Event()

    @subscribe(TOPIC)
    async def note(message: Any) -> None:
        heard.append((time_of(message.payload), monotonic_ns()))
        news.set()

    def send(text: str) -> None:
        while True:
            try:
                return publish(TOPIC, text)
            except BusFull:  # as fast as it goes is not faster
                threading.Event().wait(0.001)

    assert node_process.current().wait_until_leased(20)
    pipe.send("open")
    while True:
        try:
            what, count, interval = pipe.recv()
        except EOFError:
            break
        if what == "say":
            pipe.send(say(send, count, interval))
            continue
        heard.clear()
        pipe.send("ready")
        while len(heard) < count and news.wait(10):
            news.clear()
        pipe.send(delays_of(heard))
    node_process.close()


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
