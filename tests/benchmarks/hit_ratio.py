"""Hit ratios of both tiers beside those of LRU, FIFO and ``LocMemCache``, all of the same size.

``python -m tests.benchmarks.hit_ratio`` prints a table, and fails unless each tier hits at least 8
points more than LRU on Zipf 0.9, loses at most 2 to scans, and is no more than 2 below LRU where
what is new is what is read.
"""

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

KEYS = 100_000
ENTRIES = 1_000
REQUESTS = 150_000

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


def zipf(exponent: float) -> Iterator[Request]:
    chance = random.Random(1)
    sums = list(itertools.accumulate(1 / rank**exponent for rank in range(1, KEYS + 1)))
    for _ in range(REQUESTS):
        yield name_of(bisect.bisect_left(sums, chance.random() * sums[-1])), True


def with_scans(requests: Iterator[Request]) -> Iterator[Request]:
    """Add names that are asked for once: a third of all requests."""
    once = itertools.count(KEYS)
    for number, request in enumerate(requests):
        yield request
        if number % 2:
            yield name_of(next(once)), False


def recent() -> Iterator[Request]:
    """Three in ten are new, the others were new lately."""
    chance = random.Random(1)
    for number in range(REQUESTS):
        age = 0 if chance.random() < 0.3 else min(number, int(chance.expovariate(1 / 600)))
        yield name_of(number - age), True


def hit_ratio(cache: Cache, requests: Iterator[Request]) -> float:
    """Return hits in percent, once the first third has filled the cache."""
    hits = asked = 0
    for number, (name, counts) in enumerate(requests):
        hit = cache.request(name)
        if counts and number > REQUESTS // 3:
            hits += hit
            asked += 1
    return 100 * hits / asked


WORKLOADS: dict[str, Callable[[], Iterator[Request]]] = {
    "zipf 0.9": lambda: zipf(0.9),
    "with scans": lambda: with_scans(zipf(0.9)),
    "zipf 1.0": lambda: zipf(1.0),
    "with scans ": lambda: with_scans(zipf(1.0)),
    "recent": recent,
}


def measure(directory: Path) -> dict[str, list[float]]:
    caches: dict[str, Callable[[int], Cache]] = {
        "FIFO": FIFO,
        "LocMemCache": LocMem,
        "LRU": LRU,
        "L1": Tier1,
        "L2": lambda entries: Tier2(directory, entries),
    }
    return {
        name: [hit_ratio(make(ENTRIES), requests()) for requests in WORKLOADS.values()]
        for name, make in caches.items()
    }


def report(found: dict[str, list[float]]) -> None:
    print(f"hits in %, {ENTRIES} entries, {KEYS} names (points above LRU)")
    print(" " * 12, *(f"{name:>16}" for name in WORKLOADS))
    for name, ratios in found.items():
        beside = zip(ratios, found["LRU"], strict=True)
        print(f"{name:12}", *(f"{ratio:8.1f} ({ratio - lru:+5.1f})" for ratio, lru in beside))


def failures(found: dict[str, list[float]]) -> list[str]:
    lru, problems = found["LRU"], []
    for name in ("L1", "L2"):
        ratios = found[name]
        if min(ratios[0] - lru[0], ratios[1] - lru[1]) < 8:
            problems.append(f"{name} is less than 8 points above LRU on Zipf 0.9")
        if max(ratios[0] - ratios[1], ratios[2] - ratios[3]) > 2:
            problems.append(f"{name} loses more than 2 points to scans")
        if ratios[4] < lru[4] - 2:
            problems.append(f"{name} is more than 2 points below LRU on what is recent")
    return problems


def main() -> int:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        found = measure(Path(directory))
    report(found)
    problems = failures(found)
    print(*(problems or ["All targets are met."]), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
