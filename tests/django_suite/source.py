"""The tests of the installed Django, from its source distribution."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

__all__ = ["directory_of_djangos_tests"]


def directory_of_djangos_tests() -> Path:
    """Return the ``tests`` directory of the installed version, fetched on first use."""
    version = django.get_version()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = caches / "nothing-shared" / f"django-{version}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            unpacked = unpack(fetch(version, Path(scratch)))
            adopt(unpacked, home)
    return home / "tests"


def fetch(version: str, scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    wanted = ["--no-deps", "--no-binary", "django", "--dest", str(scratch), f"django=={version}"]
    subprocess.run([*pip, *wanted], check=True, stdin=subprocess.DEVNULL)
    (archive,) = scratch.glob("*.tar.gz")
    return archive


def unpack(archive: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(archive.parent, filter="data")
    (unpacked,) = (path for path in archive.parent.iterdir() if path.is_dir())
    return unpacked


def adopt(unpacked: Path, home: Path) -> None:
    try:
        unpacked.rename(home)
    except OSError:
        if not home.is_dir():  # else another run of the same version was faster
            raise
