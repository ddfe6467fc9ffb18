"""What it costs to forget a name, whatever number of entries depends on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter_ns
from typing import Any, NamedTuple

from tests.benchmarks.dependants import MOST_FILLED, TIMEOUT, fill, hits, names, tag_of
from tests.benchmarks.measuring import Batch, Times, race, undisturbed
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import MACHINE_CACHE, describe, home, set_up

TITLE = "Forgetting a name: microseconds, by how many entries depend on it"

NUMBERS = (100, 10_000, 1_000_000)
BYTES_PER_ENTRY = 1500
"""In both tiers, generously."""

CALLS = 20


def run(report: Report, quick: bool) -> None:
    with home() as directory:
        room = room_for_entries(directory)
        numbers = [10, 100] if quick else [n for n in NUMBERS if n <= room]
        set_up(directory, caches=caches_of(directory, sum(numbers)))
        report.say(describe(directory))
        for left_out in (n for n in NUMBERS if n > room and not quick):
            report.say(f"{left_out:,} are left out: there is memory for {room:,} entries.")
        for number in numbers:
            fill(number)
        before = {number: hits(number) for number in numbers}
        first = {number: invalidate_once(number) for number in numbers}
        times = measure(numbers, rounds=3 if quick else 60)
        after = {number: hits(number) for number in numbers}
        peers = evicted_by_diskcache([n for n in numbers if n <= MOST_FILLED])
        rows = [
            Row(
                n,
                before[n],
                after[n],
                first[n],
                times[f"apply {n}"],
                times[f"call {n}"],
                peers.get(n),
            )
            for n in numbers
        ]
        show(report, rows)
        judge(report, rows)


def room_for_entries(directory: Path) -> int:
    """Return how many entries fit in half of the memory that is free."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    free = min(available * 1024, shutil.disk_usage(directory).free)
    return free // 2 // BYTES_PER_ENTRY


def caches_of(directory: Path, entries: int) -> dict[str, Any]:
    size = max(entries * BYTES_PER_ENTRY, 2**26)
    caches: dict[str, Any] = {
        "default": {
            "BACKEND": MACHINE_CACHE,
            "OPTIONS": {"L1_BYTES": size, "L2_BYTES": size},
        }
    }
    if find_spec("diskcache"):
        location = str(directory / "diskcache")
        caches["diskcache"] = {"BACKEND": "diskcache.DjangoCache", "LOCATION": location}
    return caches


def measure(numbers: Iterable[int], *, rounds: int) -> dict[str, Times]:
    """Forget the names in turns: the store alone, and with all that tells others of it."""
    batches: dict[str, Batch] = {}
    for number in numbers:
        batches[f"apply {number}"] = applying(tag_of(number))
        batches[f"call {number}"] = invalidating(tag_of(number))
    return race(batches, rounds=rounds, turn=3)


def applying(name: str) -> Batch:
    """Take a change in, as every node does that hears of it."""
    from nothing_shared.node import process, slots
    from nothing_shared.node.change import Change

    table = process.current().table

    def batch(number: int) -> float:
        changes = [Change.of((slots.name(name),)) for _ in range(CALLS)]
        began = perf_counter_ns()
        for change in changes:
            table.apply(change)
        return (perf_counter_ns() - began) / CALLS / 1000

    return batch


def invalidate_once(number: int) -> float:
    """Call it where all entries are fresh."""
    from nothing_shared.cache import invalidate
    from nothing_shared.causality import scope

    with scope(), undisturbed():
        began = perf_counter_ns()
        invalidate(tag_of(number))
        return (perf_counter_ns() - began) / 1000


def invalidating(name: str) -> Batch:
    """Call what a site calls: intent, store, signature, bus."""
    from nothing_shared.cache import invalidate
    from nothing_shared.causality import scope

    def batch(number: int) -> float:
        with scope():
            began = perf_counter_ns()
            for _ in range(CALLS):
                invalidate(name)
            return (perf_counter_ns() - began) / CALLS / 1000

    return batch


def evicted_by_diskcache(numbers: Iterable[int]) -> dict[int, float]:
    """Return the best of a few times, each with all entries stored anew, and with a tag index."""
    from django.core.cache import caches

    if find_spec("diskcache") is None:
        return {}
    cache: Any = caches["diskcache"]
    cache.create_tag_index()
    best = {}
    for number in numbers:
        taken = []
        for _ in range(3):
            for name in names(number):
                cache.set(name, "sunny", TIMEOUT, tag="weather")
            with undisturbed():
                began = perf_counter_ns()
                evicted = cache.evict("weather")
                taken.append((perf_counter_ns() - began) / 1000)
            assert evicted == number
        best[number] = min(taken)
    return best


HEAD = [
    "entries", "hits before", "after", "forgetting: best", "median",
    "invalidate(): first", "best", "median", "diskcache evict(tag)",
]  # fmt: skip


class Row(NamedTuple):
    number: int
    before: int
    after: int
    first: float
    apply: Times
    call: Times
    evict: float | None

    @property
    def cells(self) -> list[str]:
        apply, call = self.apply, self.call
        times = (apply.best, apply.median, self.first, call.best, call.median)
        evict = "-" if self.evict is None else f"{self.evict:,.0f}"
        counts = (self.number, self.before, self.after)
        return [*(f"{n:,}" for n in counts), *(f"{time:,.1f}" for time in times), evict]


def show(report: Report, rows: list[Row]) -> None:
    cells = [row.cells for row in rows]
    report.say("", *table(HEAD, cells), "")
    report.figures["rows"] = [dict(zip(HEAD, row, strict=True)) for row in cells]


def judge(report: Report, rows: list[Row]) -> None:
    few, many = rows[0], rows[-1]
    wrong = sum(abs(row.number - row.before) + row.after for row in rows)
    report.judge(
        Target(f"forgetting a name of {many.number:,} entries", many.apply.best, 10, " us"),
        Target(
            f"{many.number:,} entries to {few.number:,}", many.apply.ratio(few.apply), 1.5, " x"
        ),
        Target("entries that were no hit before, or are one after", wrong, 0),
    )


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
