"""The site that the benchmarks run in: one node, one SQLite database, everything in memory."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import django
from django.conf import settings

__all__ = ["MACHINE_CACHE", "describe", "home", "set_up"]

MACHINE_CACHE = "nothing_shared.cache.backends.MachineCache"
SHARED_MEMORY = Path("/dev/shm")
ENOUGH = 2**30


@contextmanager
def home() -> Iterator[Path]:
    """Make a directory in memory, or where temporary files are, and remove it afterwards."""
    roomy = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > ENOUGH
    made = tempfile.mkdtemp(prefix="nothing-shared-", dir=SHARED_MEMORY if roomy else None)
    try:
        yield Path(made)
    finally:
        from nothing_shared.node import process

        process.close()
        shutil.rmtree(made, ignore_errors=True)


def set_up(
    directory: Path,
    *,
    node: str = "a",
    caches: Mapping[str, Any] | None = None,
    bus: Mapping[str, Any] | None = None,
    database: Mapping[str, Any] | None = None,
) -> None:
    """Set up Django as one process of a node of this name."""
    sqlite = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": directory / "db.sqlite3",
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
    }
    settings.configure(
        SECRET_KEY="for benchmarks only, and long enough to pass every check that Django makes",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "nothing_shared.node",
            "nothing_shared.bus",
            "nothing_shared.causality",
            "nothing_shared.cache",
            "tests.cluster.fair",
        ],
        DATABASES={"default": database or sqlite},
        CACHES={"default": {"BACKEND": MACHINE_CACHE}, **(caches or {})},
        NOTHING_SHARED_NODE={"DIRECTORY": directory / f"node-{node}", "NAME": node},
        NOTHING_SHARED_BUS=bus or {"LOCATION": directory / "bus"},
    )
    django.setup()


def describe(directory: Path) -> str:
    """Say what this ran on."""
    load = os.getloadavg()[0]
    where = "in memory" if SHARED_MEMORY in directory.parents else "on disk"
    return (
        f"{os.cpu_count()} cores, load {load:.1f}, files {where}; "
        f"Python {platform.python_version()}, Django {django.__version__}, {_versions()}"
    )


def _versions() -> str:
    found = []
    for package in ("lmdb", "diskcache", "django-redis", "redis", "hiredis", "pymemcache"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
