"""The ``OPTIONS`` of a ``CACHES`` entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nothing_shared.conf import option, parse

__all__ = ["BACKEND", "CacheOptions", "cache_options"]

BACKEND = "nothing_shared.cache.backends.MachineCache"

MIB = 2**20


@dataclass(frozen=True)
class CacheOptions:
    l1_bytes: int = option(64 * MIB, "Bytes of each worker's own tier.", minimum=64 * 1024)
    l2_bytes: int = option(
        256 * MIB, "Bytes of the tier that a machine's workers share.", minimum=MIB
    )
    when_partitioned: Literal["miss", "serve"] = option(
        "miss",
        "What a node does that may not be hearing changes: `miss` asks the database (consistent), "
        "`serve` goes on serving for up to `MAX_STALENESS` (available).",
    )
    jitter: float = option(
        0.1,
        "By which part of it the timeout of a fill is shortened at random, at the most: entries that "
        "were filled together don't expire together.",
        minimum=0,
        maximum=0.9,
    )
    flight_timeout: float = option(
        10.0,
        "Seconds that others wait for the one that computes a missing value before they do, too.",
        minimum=0,
    )
    max_entries: int = option(
        300, "Django's option: not used, the tiers are bounded by bytes.", minimum=1
    )
    cull_frequency: int = option(3, "Django's option: not used.", minimum=0)


def cache_options(alias: str, given: Mapping[str, Any]) -> CacheOptions:
    return parse(f"CACHES[{alias!r}]['OPTIONS']", given, CacheOptions)
