"""The caches that are compared, and which of them this machine can run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.site import MACHINE_CACHE

__all__ = ["DISKCACHE", "FULL", "L1", "L2", "LOCMEM", "Contender", "Missing", "find"]

PLENTY = 1_000_000
"""Django's caches throw out a third of all entries at ``MAX_ENTRIES``: not while we measure."""

L1, L2, FULL = "MachineCache, L1", "MachineCache, L2", "  L2, while L1 is full"
LOCMEM, DISKCACHE = "LocMemCache", "diskcache"


@dataclass(frozen=True)
class Contender:
    """A row of the table: its name, and its entry in ``CACHES``."""

    name: str
    settings: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        return bool(self.tier)

    @property
    def tier(self) -> str:
        """Where its hits come from, in the words of a trace; "" for the others."""
        return {L1: "l1", L2: "l2", FULL: "l2"}.get(self.name, "")


@dataclass(frozen=True)
class Missing:
    """A row that is left out."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} is left out: {self.reason}."


def find(directory: Path, stack: ExitStack) -> tuple[list[Contender], list[Missing]]:
    """Start the servers that there are; they end with the stack."""
    found: list[Contender] = []
    missing: list[Missing] = []
    for each in _all(directory, stack):
        if isinstance(each, Contender):
            found.append(each)
        else:
            missing.append(each)
    return found, missing


def _all(directory: Path, stack: ExitStack) -> Iterator[Contender | Missing]:
    narrow = {"L1_BYTES": 64 * 1024}
    yield Contender(L1, {"BACKEND": MACHINE_CACHE, "LOCATION": "l1"})
    yield Contender(L2, {"BACKEND": MACHINE_CACHE, "LOCATION": "l2"})
    yield Contender(FULL, {"BACKEND": MACHINE_CACHE, "LOCATION": "full", "OPTIONS": narrow})
    yield from _of_django(directory)
    yield _diskcache(directory)
    yield _redis(directory, stack)
    yield _memcached(directory, stack)


def _of_django(directory: Path) -> Iterator[Contender]:
    backends, options = "django.core.cache.backends", {"MAX_ENTRIES": PLENTY}
    yield Contender(LOCMEM, {"BACKEND": f"{backends}.locmem.LocMemCache", "OPTIONS": options})
    yield Contender(
        "FileBasedCache",
        {
            "BACKEND": f"{backends}.filebased.FileBasedCache",
            "LOCATION": directory / "files",
            "OPTIONS": options,
        },
    )


def _diskcache(directory: Path) -> Contender | Missing:
    if find_spec("diskcache") is None:
        return Missing(DISKCACHE, "pip install diskcache")
    location = str(directory / "diskcache")
    return Contender(DISKCACHE, {"BACKEND": "diskcache.DjangoCache", "LOCATION": location})


def _redis(directory: Path, stack: ExitStack) -> Contender | Missing:
    name, executable = "django-redis", servers.program("redis-server")
    if find_spec("django_redis") is None:
        return Missing(name, "pip install django-redis")
    if executable is None:
        return Missing(name, "there is no redis-server (apt-get install redis-server)")
    path = stack.enter_context(servers.redis(executable, directory))
    return Contender(
        name, {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"unix://{path}"}
    )


def _memcached(directory: Path, stack: ExitStack) -> Contender | Missing:
    name, executable = "PyMemcacheCache", servers.program("memcached")
    if find_spec("pymemcache") is None:
        return Missing(name, "pip install pymemcache")
    if executable is None:
        return Missing(name, "there is no memcached (apt-get install memcached)")
    path = stack.enter_context(servers.memcached(executable, directory))
    backend = "django.core.cache.backends.memcached.PyMemcacheCache"
    return Contender(name, {"BACKEND": backend, "LOCATION": f"unix:{path}"})
