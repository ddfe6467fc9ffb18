"""How fast the caches are, as ratios to Django's ``LocMemCache`` in the same run."""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack
from typing import Any

from tests.benchmarks.contenders import DISKCACHE, L1, L2, LOCMEM, Contender, find
from tests.benchmarks.measuring import Times, race
from tests.benchmarks.operations import HIT, OPERATIONS, batches_of, tiers_of
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import describe, home, set_up

TITLE = "Caches: microseconds, and how many times LocMemCache's"

STR, DICT, BYTES = "50-byte str", "1 KB dict", "100 KB bytes"

VALUES: dict[str, tuple[str, Any]] = {
    STR: ("event", "Tonight's event has sold out; the next is in May.."),
    # 1,031 bytes, pickled.
    DICT: ("venue", {f"field_{n:02d}": f"the value of field {n:02d}" for n in range(29)}),
    BYTES: ("photo", random.Random(1).randbytes(100_000)),
}
"""With what their names begin with."""

Results = dict[str, dict[str, Times]]
"""Operation → contender → times."""


def run(report: Report, quick: bool) -> None:
    with home() as directory, ExitStack() as stack:
        contenders, missing = find(directory, stack)
        set_up(directory, caches={each.name: each.settings for each in contenders})
        report.say(describe(directory), *map(str, missing))
        report.say(
            "Best batch, its ratio to LocMemCache's best, and the median ratio of the rounds"
        )
        hits = {}
        for kind in VALUES:
            results = measure(contenders, kind, quick=quick)
            report.say("", *table([kind, *results], rows_of(contenders, results)))
            report.figures[kind] = figures_of(results)
            hits[kind] = results[HIT]
        report.say("")
        judge(report, hits)


def measure(contenders: list[Contender], kind: str, *, quick: bool) -> Results:
    subject, value = VALUES[kind]
    prepared = {each.name: batches_of(each, subject, value) for each in contenders}
    results = {}
    for operation in OPERATIONS:
        rounds, turn = (2, 1) if quick else (30, 16) if operation == HIT else (12, 3)
        batches = {name: known[operation] for name, known in prepared.items() if operation in known}
        results[operation] = race(batches, rounds=rounds, turn=turn)
        if operation == HIT:
            check_tiers(contenders, subject, rounds * turn)
    return results


def check_tiers(contenders: list[Contender], subject: str, number: int) -> None:
    """Make sure that what was called a hit of a tier was one."""
    for contender, tier in ((each, each.tier) for each in contenders if each.is_ours):
        found = tiers_of(contender, subject, number)
        assert found == {tier}, f"{contender.name} has hits in {found}"


def rows_of(contenders: list[Contender], results: Results) -> list[list[str]]:
    return [
        [each.name, *(cell_of(results[operation], each.name) for operation in results)]
        for each in contenders
    ]


def cell_of(times: dict[str, Times], name: str) -> str:
    if name not in times:
        return "-"
    mine, base = times[name], times[LOCMEM]
    return f"{mine.best:.4g} {mine.ratio(base):7.2f}x ({mine.median_ratio(base):.2f}x)"


def figures_of(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    return {
        operation: {
            name: {"best": each.best, "median": each.median, "ratio": each.ratio(times[LOCMEM])}
            for name, each in times.items()
        }
        for operation, times in results.items()
    }


def judge(report: Report, hits: dict[str, dict[str, Times]]) -> None:
    text, record = hits[STR], hits[DICT]
    unit = f" x {LOCMEM}"
    report.judge(
        Target(f"L1 hit, {STR}", text[L1].ratio(text[LOCMEM]), 0.25, unit),
        Target(f"L1 hit, {DICT}", record[L1].ratio(record[LOCMEM]), 0.7, unit),
        Target(f"L2 hit, {DICT}", record[L2].ratio(record[LOCMEM]), 1.2, unit),
    )
    if DISKCACHE in record:
        ratio = record[L2].ratio(record[DISKCACHE])
        report.judge(Target(f"L2 hit, {DICT}", ratio, 1 / 3, f" x {DISKCACHE}"))


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
