"""The long form of the chaos runs: ``python -m tests.bus.long_chaos --seconds 60``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bus.long_chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BACKEND", help="by default, all of them")
    parser.add_argument("--seconds", type=float, default=60.0, help="that faults happen for")
    parser.add_argument("--seed", type=int, default=1, help="which faults, and when")
    return parser.parse_args(words)


class Unblocked:
    """Stands where pytest would keep tests from their databases."""

    def unblock(self) -> AbstractContextManager[None]:
        return nullcontext()


def main() -> int:
    chosen = arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from tests.bus.backends import BACKENDS

    has_failed = False
    for name in chosen.names or BACKENDS:
        has_failed |= not run(name, chosen.seed, chosen.seconds)
    return int(has_failed)


def run(name: str, seed: int, seconds: float) -> bool:
    """Run one backend's, and say whether nothing was lost in silence and no gap was false."""
    from tests.bus import broker_chaos
    from tests.bus.backends import BACKENDS, opened
    from tests.node.workers import workers

    with tempfile.TemporaryDirectory() as made, workers() as started:
        base = Path(made)
        with opened(name, base, started, Unblocked()) as (cluster, server, proxy):  # type: ignore[arg-type]
            ease = BACKENDS[name][1].ease
            outcome = broker_chaos.run(
                cluster, base, seed, server, proxy, seconds=seconds, ease=ease
            )
    print(f"{name}: {outcome}", flush=True)
    for problem in (*outcome.undetected, *outcome.false):
        print(f"  {problem}")
    return not outcome.undetected and not outcome.false


if __name__ == "__main__":
    sys.exit(main())
