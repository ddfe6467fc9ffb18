"""How long after a commit on one node another one has forgotten what was written."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import nodes
from tests.benchmarks.measuring import quantile
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import describe, home

TITLE = "From a commit on one node to forgotten on another, over LocalBus: milliseconds"

COMMITS, RATE = 2000, 200
"""How many, and how many a second."""

HEAD = ["workers", "commits", "to the own table: p50", "to the other's: p50", "p90", "p99", "most"]


@dataclass(frozen=True)
class Case:
    """One pair of nodes, of one worker each."""

    name: str
    is_busy: bool = False
    has_agents: bool = False
    """Whether ``manage.py node_agent`` runs on each node."""


IDLE = Case("idle")
BUSY = Case("computing without a pause", is_busy=True)
APART = Case("computing, beside manage.py node_agent", is_busy=True, has_agents=True)


@dataclass(frozen=True)
class Delays:
    """Milliseconds from when COMMIT was about to be sent, one figure for each commit."""

    here: list[float]
    there: list[float]
    hits_before: int
    hits_after: int
    wiped: int
    """How often the other node forgot everything instead."""

    def cells(self, name: str) -> list[str]:
        figures = [quantile(self.here, 0.5)]
        figures += [quantile(self.there, part) for part in (0.5, 0.9, 0.99, 1)]
        return [name, f"{len(self.there):,}", *(f"{figure:.2f}" for figure in figures)]


def run(report: Report, quick: bool) -> None:
    commits = 20 if quick else COMMITS
    found: dict[str, Delays] = {}
    with home() as directory:
        report.say(describe(directory))
        for number, case in enumerate([IDLE, BUSY, APART]):
            place = directory / f"case-{number}"
            place.mkdir(mode=0o700)
            found[case.name] = measure(place, case, commits)
    cells = [delays.cells(name) for name, delays in found.items()]
    report.say("", *table(HEAD, cells), "")
    report.figures["rows"] = [dict(zip(HEAD, row, strict=True)) for row in cells]
    judge(report, found, commits)


def measure(directory: Path, case: Case, commits: int) -> Delays:
    with ExitStack() as stack:
        if case.has_agents:
            for node in "ab":
                stack.enter_context(nodes.agent_of(node, directory))
        writer = stack.enter_context(nodes.worker_of("a", directory))
        reader = stack.enter_context(nodes.worker_of("b", directory))
        writer.run(nodes.make_stalls, commits)
        hits_before = reader.run(nodes.cache_stalls, commits)
        wiped = reader.run(nodes.join)
        if case.is_busy:
            writer.run(nodes.be_busy)
            reader.run(nodes.be_busy)
        pks = range(1, commits + 1)
        sent = writer.run(nodes.sell, pks, 1 / RATE)
        hits_after = reader.run(nodes.count_hits, commits)
        # Two rows may share a place in the table: the later one's time stands there.
        here, there = writer.run(nodes.changed_at, pks), reader.run(nodes.changed_at, pks)
        shared = {time for time, times in Counter(there).items() if times > 1}
        kept = [at for at in range(commits) if there[at] not in shared]
        return Delays(
            here=[(here[at] - sent[at]) / 1e6 for at in kept],
            there=[(there[at] - sent[at]) / 1e6 for at in kept],
            hits_before=hits_before,
            hits_after=hits_after,
            wiped=reader.run(nodes.join) - wiped,
        )


def judge(report: Report, found: dict[str, Delays], commits: int) -> None:
    for name, delays in found.items():
        # An agent's thread in a worker that computes waits for Python's lock: 5 ms, and again.
        if name != BUSY.name:
            report.judge(Target(f"p50, {name}", quantile(delays.there, 0.5), 2, " ms"))
        report.judge(Target(f"p99, {name}", quantile(delays.there, 0.99), 50, " ms"))
    wrong = sum(
        commits - each.hits_before + each.hits_after + each.wiped for each in found.values()
    )
    report.judge(Target("rows that were no hit before, or are one after, and wipes", wrong, 0))


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
