"""Redis and memcached on a unix socket, for the time of a benchmark."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.redis import redis_program
from tests.wait import wait_until

__all__ = ["memcached", "program", "redis"]


def program(name: str) -> str | None:
    """Return the path of an installed server, or of the one that a wheel brought."""
    found = shutil.which(name)
    if found is None and name == "redis-server":
        return str(redis_program())
    return found


@contextmanager
def redis(executable: str, directory: Path) -> Iterator[Path]:
    """Run Redis with nothing written to disk; give the path of its socket."""
    path = directory / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    with _running([executable, *options, "--dir", str(directory)], path):
        yield path


@contextmanager
def memcached(executable: str, directory: Path) -> Iterator[Path]:
    """Run memcached; give the path of its socket."""
    path = directory / "memcached.sock"
    as_root = ["-u", "root"] if os.getuid() == 0 else []
    with _running([executable, "-s", str(path), "-m", "256", *as_root], path):
        yield path


@contextmanager
def _running(command: Sequence[str], path: Path) -> Iterator[None]:
    with path.with_suffix(".log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(path, server), what=command[0])
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


def _answers(path: Path, server: subprocess.Popen[bytes]) -> bool:
    log = path.with_suffix(".log")
    assert server.poll() is None, log.read_text(encoding="utf-8", errors="replace")
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
