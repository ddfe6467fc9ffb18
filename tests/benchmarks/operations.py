"""What is done with each cache, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any

from tests.benchmarks.contenders import L1, L2, Contender
from tests.benchmarks.measuring import Batch

__all__ = ["FILL", "GET_OR_SET", "HIT", "OPERATIONS", "SET", "UNIT", "batches_of", "tiers_of"]

UNIT = 40
"""Operations in a batch. Hits, and sets, of a batch are one request where a cache tells them apart."""

COUNT = 400
"""Names that a value is stored under: when a batch comes to one again, a small L1 has long lost it."""

TIMEOUT = 600

HIT, SET, FILL, GET_OR_SET = "get: hit", "set", "get: miss, set", "get_or_set: miss"
OPERATIONS = (HIT, SET, FILL, GET_OR_SET)

Operate = Callable[[str], Any]


def batches_of(contender: Contender, subject: str, value: Any) -> dict[str, Batch]:
    """Store the value under all names, and return the operations of the cache as batches."""
    from django.core.cache import caches

    cache, name = caches[contender.name], Names(subject)
    together = one_request if contender.is_ours else _timed
    # A fill depends on all that its request has read: each in a request of its own.
    apart = own_requests if contender.is_ours else _timed

    def fill(key: str) -> None:
        if cache.get(key) is None:
            cache.set(key, value, TIMEOUT)

    def on_new(operate: Operate) -> Batch:
        def batch(number: int) -> float:
            new = [f"{key}:{number}" for key in name(number)]
            taken = apart(operate, new)
            apart(cache.delete, new)
            return taken

        return batch

    def overwrite(key: str) -> None:
        cache.set(key, value, TIMEOUT)

    def get_or_set(key: str) -> None:
        cache.get_or_set(key, value, TIMEOUT)

    for number in range(COUNT // UNIT):
        apart(get_or_set, name(number))

    def hit(number: int) -> float:
        if contender.name == L2:  # as in a worker that has just started
            cache._store.l1.clear()
        return together(cache.get, name(number))

    batches: dict[str, Batch] = {HIT: hit}
    if contender.name == L1 or not contender.is_ours:
        batches[SET] = lambda number: together(overwrite, name(number))
        batches[FILL] = on_new(fill)
        batches[GET_OR_SET] = on_new(get_or_set)
    return batches


class Names:
    """Names of what is cached, all as long as one that a site would choose."""

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def __call__(self, number: int) -> list[str]:
        """Return the names of a batch."""
        first = number * UNIT % COUNT
        return [f"{self._subject}:{place:04d}:summary" for place in range(first, first + UNIT)]


def tiers_of(contender: Contender, subject: str, number: int) -> set[str]:
    """Say where the hits of a batch come from: one of its own, traced and not timed."""
    from django.core.cache import caches

    from nothing_shared.cache import trace
    from nothing_shared.causality import scope

    cache = caches[contender.name]
    if contender.name == L2:
        cache._store.l1.clear()
    with scope(), trace() as outcomes:
        for key in Names(subject)(number):
            cache.get(key)
    return {outcome.tier for outcome in outcomes}


def _timed(operate: Operate, keys: Iterable[str]) -> float:
    waiting = list(keys)
    began = perf_counter_ns()
    for key in waiting:
        operate(key)
    return (perf_counter_ns() - began) / len(waiting) / 1000


def one_request(operate: Operate, keys: Iterable[str]) -> float:
    from nothing_shared.causality import scope

    with scope():
        return _timed(operate, keys)


def own_requests(operate: Operate, keys: Iterable[str]) -> float:
    from nothing_shared.causality import scope

    def request(key: str) -> None:
        with scope():
            operate(key)

    return _timed(request, keys)
