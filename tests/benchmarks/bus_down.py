"""What a broker that is away costs a request: a ``get``, before, while and after."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import Any

from tests.benchmarks.measuring import Times, race
from tests.benchmarks.operations import one_request, own_requests
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import MACHINE_CACHE, home, set_up
from tests.servers import RedisServer, redis
from tests.wait import wait_until

TITLE = "A cache's get while the broker is away: microseconds"

UNIT, TIMEOUT = 40, 600
MISS, SERVE = "miss", "serve"
"""The aliases of two caches, by what they do ``WHEN_PARTITIONED``."""

HIT, UNKNOWN = "stored", "unknown"
KINDS = (HIT, UNKNOWN)

MOST_MORE, SOON = 50.0, 2.0


def run(report: Report, quick: bool) -> None:
    with home() as directory, redis() as server:
        open_site(directory, server)
        up = measure(quick)
        server.stop()
        wait_until(lambda: not is_leased(), what="the node knows that it may be deaf")
        down = measure(quick)
        began = monotonic()
        server.start()
        wait_until(is_leased, what="the node hears again")
        back_after = monotonic() - began
    report.say(
        *table(["cache", "up", "away", "more"], [row(*each) for each in pairs(up, down)]), ""
    )
    for name, before, after in pairs(up, down):
        more = after.best - before.best
        report.judge(Target(f"more for a get, {name}", more, MOST_MORE, " µs"))
    report.judge(Target("from the broker's start to leased again", back_after, SOON, " s"))


def open_site(directory: Path, server: RedisServer) -> None:
    set_up(
        directory,
        caches={
            name: {
                "BACKEND": MACHINE_CACHE,
                "LOCATION": name,
                "OPTIONS": {"WHEN_PARTITIONED": name},
            }
            for name in (MISS, SERVE)
        },
        bus={"BACKEND": "nothing_shared.bus.backends.redis.RedisBus", "LOCATION": server.url},
    )
    from django.core.management import call_command

    call_command("migrate", "nothing_shared_bus", verbosity=0)
    wait_until(is_leased, what="the node hears the bus")


def is_leased() -> bool:
    from nothing_shared.node import process

    return process.current().table.leased()


def measure(quick: bool) -> dict[str, Times]:
    """Time what is asked for: names that were stored, and names that were not."""
    batches = {
        f"{alias}, {kind}": batch_of(alias, kind) for alias in (MISS, SERVE) for kind in KINDS
    }
    return race(batches, rounds=2 if quick else 20, turn=2 if quick else 8)


def batch_of(alias: str, kind: str) -> Any:
    from django.core.cache import caches

    cache = caches[alias]
    names = [f"{kind}-{number}" for number in range(UNIT)]
    if kind == HIT:
        own_requests(lambda name: cache.get_or_set(name, "a value", TIMEOUT), names)
        assert not is_leased() or all(map(cache.get, names)), "what was stored is there"
    return lambda number: one_request(cache.get, names)


def pairs(up: dict[str, Times], down: dict[str, Times]) -> list[tuple[str, Times, Times]]:
    return [(name, up[name], down[name]) for name in up]


def row(name: str, up: Times, down: Times) -> list[str]:
    return [name, f"{up.best:.2f}", f"{down.best:.2f}", f"{down.best - up.best:+.2f}"]


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
