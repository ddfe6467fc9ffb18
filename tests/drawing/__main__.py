"""``python -m tests.drawing --count 100000``: draw mutated files, and the whole corpus before them."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tests.drawing.child import fates
from tests.drawing.hostile import bombs, lies, mutations, named, truncations

ALLOWED_GROWTH = 64 * 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["pillow", "vips"], default="pillow")
    chosen = parser.parse_args()
    outcomes: Counter[str] = Counter()
    worst_seconds = worst_growth = 0.0
    failed = 0
    corpus = [named, bombs, lies, truncations, lambda: mutations(chosen.count, chosen.seed)]
    for kind in corpus:
        for name, allowed, fate in fates(kind(), engine=chosen.engine):
            outcomes[fate.outcome] += 1
            worst_seconds = max(worst_seconds, fate.seconds)
            worst_growth = max(worst_growth, fate.growth)
            is_wrong = fate.outcome not in allowed.split("|") or fate.growth > ALLOWED_GROWTH
            failed += is_wrong
            if is_wrong or kind in (named, bombs, lies):
                mark = "WRONG" if is_wrong else "ok"
                print(f"{mark:5}  {name:36} {fate.outcome:20} {1000 * fate.seconds:7.1f} ms "
                      f"{fate.growth / 2**20:6.1f} MB  {fate.message[:90]}")  # fmt: skip
    print(dict(outcomes))
    print(
        f"at most {1000 * worst_seconds:.0f} ms and {worst_growth / 2**20:.1f} MB; {failed} wrong"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
