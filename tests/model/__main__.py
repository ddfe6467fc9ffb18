"""Run many schedules: ``python -m tests.model --schedules 100000 --seed 1``."""

from __future__ import annotations

import argparse
import sys
import time

from .cache import Verdict
from .mutants import Mutant
from .oracle import Violation
from .profiles import PROFILES
from .schedule import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first schedule; the next has the next"
    )
    parser.add_argument("--mutant", type=lambda name: Mutant[name.upper()], help="break one rule")
    parser.add_argument("--trace", action="store_true", help="print what led to a violation")
    options = parser.parse_args()
    started = time.monotonic()
    steps = 0
    hits = dict.fromkeys(Verdict, 0)
    oldest = dict.fromkeys(Verdict, 0)
    for seed in range(options.seed, options.seed + options.schedules):
        trace: list[str] | None = [] if options.trace else None
        try:
            world = run(seed, PROFILES.get(options.mutant), options.mutant, trace=trace)
        except Violation as violation:
            print(*trace or (), f"schedule {seed}: {violation}", sep="\n")
            return 1
        steps += world.steps
        for verdict in Verdict:
            hits[verdict] += world.oracle.hits[verdict]
            oldest[verdict] = max(oldest[verdict], world.oracle.oldest[verdict])
    seconds = time.monotonic() - started
    print(
        f"{options.schedules} schedules, {steps} steps, {steps / seconds:.0f} a second: no violation"
    )
    for verdict in (Verdict.FRESH, Verdict.LAPSED, Verdict.STALE):
        print(f"{hits[verdict]:9} {verdict.value}: oldest commit missed {oldest[verdict]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
