"""Hit ratios of both tiers beside those of LRU, FIFO and ``LocMemCache``, all of the same size."""

from __future__ import annotations

import bisect
import itertools
import random
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from nothing_shared.cache.entry import MOST_VISITS, Entry
from nothing_shared.cache.l1 import L1
from nothing_shared.cache.l2 import L2
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import home

KEYS = 100_000
ENTRIES = 1_000
REQUESTS = 150_000

TITLE = "Hits in percent of the requests, and points above LRU, with room for 1 name in 100"

Request = tuple[str, bool]
"""A name, and whether the request counts: those of a scan don't."""


class Cache(Protocol):
    def request(self, name: str) -> bool:
        """Say whether the name is there; have it there afterwards."""


class FIFO:
    def __init__(self, entries: int) -> None:
        self.size = entries
        self.names: OrderedDict[str, None] = OrderedDict()

    def request(self, name: str) -> bool:
        if name in self.names:
            return True
        self.names[name] = None
        if len(self.names) > self.size:
            self.names.popitem(last=False)
        return False


class LRU(FIFO):
    def request(self, name: str) -> bool:
        hit = super().request(name)
        self.names.move_to_end(name)
        return hit


class LocMem(LRU):
    """As Django culls: at the limit, a third of all, the least recently used."""

    def request(self, name: str) -> bool:
        if name not in self.names and len(self.names) >= self.size:
            for _ in range(len(self.names) // 3):
                self.names.popitem(last=False)
        return super().request(name)


class Tier1:
    def __init__(self, entries: int) -> None:
        self.entry = Entry.of(b"x" * 100, begun=0, expires=0, slots=())
        self.tier = L1(entries * L1.cost(name_of(0), self.entry))

    def request(self, name: str) -> bool:
        entry = self.tier.entries.get(name)
        if entry is None:
            self.tier.put(name, Entry.of(b"x" * 100, begun=0, expires=0, slots=()))
            return False
        if entry.frequency < MOST_VISITS:
            entry.frequency += 1
        return True


class Tier2:
    """Records of two pages, so that as many fit as are asked for."""

    record = bytes(8_000)

    def __init__(self, directory: Path, entries: int) -> None:
        path = Path(tempfile.mkdtemp(dir=directory))
        self.tier = L2(path / "l2", max_bytes=entries * 9_700, lock=path / "lock")

    def request(self, name: str) -> bool:
        if self.tier.get(name) is not None:
            return True
        self.tier.put(name, self.record)
        return False


def name_of(number: int) -> str:
    return f"name{number:08}"


def zipf(exponent: float, count: int) -> Iterator[Request]:
    chance = random.Random(1)
    sums = list(itertools.accumulate(1 / rank**exponent for rank in range(1, KEYS + 1)))
    for _ in range(count):
        yield name_of(bisect.bisect_left(sums, chance.random() * sums[-1])), True


def with_scans(requests: Iterator[Request]) -> Iterator[Request]:
    """Add names that are asked for once: a third of all requests."""
    once = itertools.count(KEYS)
    for number, request in enumerate(requests):
        yield request
        if number % 2:
            yield name_of(next(once)), False


def recent(count: int) -> Iterator[Request]:
    """Three in ten are new, the others were new lately."""
    chance = random.Random(1)
    for number in range(count):
        age = 0 if chance.random() < 0.3 else min(number, int(chance.expovariate(1 / 600)))
        yield name_of(number - age), True


def hit_ratio(cache: Cache, requests: Iterator[Request], warming: int) -> float:
    """Return hits in percent, once so many requests have filled the cache."""
    hits = asked = 0
    for number, (name, counts) in enumerate(requests):
        hit = cache.request(name)
        if counts and number > warming:
            hits += hit
            asked += 1
    return 100 * hits / asked


ZIPF, ZIPF_SCANS, STEEP, STEEP_SCANS, RECENT = (
    "Zipf 0.9", "and scans", "Zipf 1.0", "and scans too", "recent"
)  # fmt: skip
WORKLOADS: dict[str, Callable[[int], Iterator[Request]]] = {
    ZIPF: lambda count: zipf(0.9, count),
    ZIPF_SCANS: lambda count: with_scans(zipf(0.9, count)),
    STEEP: lambda count: zipf(1.0, count),
    STEEP_SCANS: lambda count: with_scans(zipf(1.0, count)),
    RECENT: recent,
}

Ratios = dict[str, dict[str, float]]
"""Cache → workload → hits in percent."""


def run(report: Report, quick: bool) -> None:
    with home() as directory:
        ratios = measure(directory, REQUESTS // 50 if quick else REQUESTS)
    rows = [[name, *cells(found, ratios["LRU"])] for name, found in ratios.items()]
    report.say(*table([f"{ENTRIES:,} of {KEYS:,}", *WORKLOADS], rows), "")
    report.figures["hits"] = ratios
    for name in ("L1", "L2"):
        judge(report, name, ratios[name], ratios["LRU"])


def measure(directory: Path, count: int) -> Ratios:
    caches: dict[str, Callable[[int], Cache]] = {
        "FIFO": FIFO,
        "LocMemCache": LocMem,
        "LRU": LRU,
        "L1": Tier1,
        "L2": lambda entries: Tier2(directory, entries),
    }
    return {
        name: {
            workload: hit_ratio(make(ENTRIES), requests(count), count // 3)
            for workload, requests in WORKLOADS.items()
        }
        for name, make in caches.items()
    }


def cells(found: dict[str, float], lru: dict[str, float]) -> list[str]:
    return [f"{ratio:.1f} ({ratio - lru[name]:+.1f})" for name, ratio in found.items()]


def judge(report: Report, name: str, found: dict[str, float], lru: dict[str, float]) -> None:
    above = {workload: found[workload] - lru[workload] for workload in found}
    lost = max(found[ZIPF] - found[ZIPF_SCANS], found[STEEP] - found[STEEP_SCANS])
    report.judge(
        Target(f"{name} above LRU on {ZIPF}", above[ZIPF], 8, " points", is_floor=True),
        Target(
            f"{name} above LRU on it {ZIPF_SCANS}", above[ZIPF_SCANS], 8, " points", is_floor=True
        ),
        Target(f"{name} lost to scans", lost, 2, " points"),
        Target(f"{name} below LRU where what is new is read", -above[RECENT], 2, " points"),
    )


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
