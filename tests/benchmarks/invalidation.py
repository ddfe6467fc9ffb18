"""What it costs to forget a name, whatever number of entries depends on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from tests.benchmarks.measuring import Batch, Times, race, undisturbed
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import MACHINE_CACHE, describe, home, set_up

TITLE = "Forgetting a name: microseconds, by how many entries depend on it"

NUMBERS = (100, 10_000, 1_000_000)
MOST_EVICTED = 10_000
"""``evict(tag)`` of diskcache visits each entry: more would take minutes to fill again."""

BYTES_PER_ENTRY = 1500
"""In both tiers, generously."""

CALLS = 20
TIMEOUT = 3600


def run(report: Report, quick: bool) -> None:
    with home() as directory:
        room = room_for_entries(directory)
        numbers = [10, 100] if quick else [n for n in NUMBERS if n <= room]
        set_up(directory, caches=caches_of(directory, sum(numbers)))
        report.say(describe(directory))
        for left_out in (n for n in NUMBERS if n > room and not quick):
            report.say(f"{left_out:,} are left out: there is memory for {room:,} entries.")
        verified = fill_and_count(numbers)
        times = measure(numbers, rounds=3 if quick else 60)
        peers = evicted_by_diskcache([n for n in numbers if n <= MOST_EVICTED])
        show(report, numbers, verified, times, peers)


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


def names(number: int) -> Iterator[str]:
    return (f"forecast:{number}:{place}" for place in range(number))


def fill_and_count(numbers: Iterable[int]) -> dict[int, tuple[int, int, float]]:
    """Return for each number the hits before a call of ``invalidate``, those after, and its time."""
    from nothing_shared.cache import invalidate
    from nothing_shared.causality import scope

    found = {}
    for number in numbers:
        fill(number)
        before = hits(number)
        with scope():
            began = perf_counter_ns()
            invalidate(f"weather {number}")
            taken = (perf_counter_ns() - began) / 1000
        found[number] = before, hits(number), taken
        fill(number)
    return found


def fill(number: int) -> None:
    """Cache entries that depend on one name, each as a request of its own would."""
    from django.core.cache import cache

    from nothing_shared.causality import scope

    tag = (f"weather {number}",)
    for name in names(number):
        with scope():
            cache.get_or_set(name, "sunny", TIMEOUT, depends_on=tag)


def hits(number: int) -> int:
    from django.core.cache import cache

    from nothing_shared.causality import scope

    found = 0
    for name in names(number):
        with scope():
            found += cache.get(name) is not None
    return found


def measure(numbers: Iterable[int], *, rounds: int) -> dict[str, Times]:
    """Forget the names in turns: the store alone, and with all that tells others of it."""
    batches: dict[str, Batch] = {}
    for number in numbers:
        batches[f"apply {number}"] = applying(f"weather {number}")
        batches[f"invalidate {number}"] = invalidating(f"weather {number}")
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


def show(
    report: Report,
    numbers: list[int],
    verified: dict[int, tuple[int, int, float]],
    times: dict[str, Times],
    peers: dict[int, float],
) -> None:
    head = [
        "entries", "hits before", "after", "forgetting: best", "median",
        "invalidate(): first", "best", "median", "diskcache evict(tag)",
    ]  # fmt: skip
    rows = []
    for number in numbers:
        before, after, first = verified[number]
        apply, whole = times[f"apply {number}"], times[f"invalidate {number}"]
        figures = (apply.best, apply.median, first, whole.best, whole.median)
        rows.append(
            [
                f"{number:,}",
                f"{before:,}",
                f"{after:,}",
                *(f"{figure:.1f}" for figure in figures),
                f"{peers[number]:,.0f}" if number in peers else "-",
            ]
        )
    report.say("", *table(head, rows), "")
    report.figures["rows"] = [dict(zip(head, row, strict=True)) for row in rows]
    judge(report, numbers, verified, times)


def judge(
    report: Report,
    numbers: list[int],
    verified: dict[int, tuple[int, int, float]],
    times: dict[str, Times],
) -> None:
    fewest, most = min(numbers), max(numbers)
    few, many = times[f"apply {fewest}"], times[f"apply {most}"]
    not_forgotten = sum(abs(verified[n][0] - n) + verified[n][1] for n in numbers)
    report.judge(
        Target(f"forgetting a name of {most:,} entries", many.best, 10, " us"),
        Target(f"{most:,} entries to {fewest:,}", many.ratio(few), 1.5, " x"),
        Target("entries that were no hit before, or one after", not_forgotten, 0),
    )


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
