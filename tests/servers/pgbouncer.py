"""PgBouncer, from Debian's package, in the mode that gives a connection to each transaction."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.servers.postgres import PostgreSQLServer, django_settings, is_connectable
from tests.servers.running import NOBODY, Server, as_nobody, running

__all__ = ["PgBouncerServer", "pgbouncer"]

CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={upstream} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""


@dataclass(eq=False)
class PgBouncerServer(Server):
    """A running PgBouncer with transaction pooling, before all databases of a PostgreSQL."""

    name = "PgBouncer"

    upstream: int = 0
    user: str = "postgres"

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/postgres"

    def settings(self, name: str = "postgres") -> dict[str, Any]:
        """Return what reaches a database through it, for ``DATABASES``."""
        return django_settings(self.port, self.user, name)

    def prepare(self) -> None:
        configuration = CONFIGURATION.format(**vars(self))
        (self.home / "pgbouncer.ini").write_text(configuration, encoding="utf-8")
        if os.getuid() == 0:  # PgBouncer refuses to run as root
            shutil.chown(self.home, NOBODY, NOBODY)

    def command(self) -> list[object]:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None, "apt-get install pgbouncer"
        return [program, self.home / "pgbouncer.ini"]

    def surroundings(self) -> dict[str, Any]:
        return as_nobody()

    def answers(self) -> bool:
        return is_connectable(self.port, self.user)


@contextmanager
def pgbouncer(postgres: PostgreSQLServer) -> Iterator[PgBouncerServer]:
    """Run PgBouncer in front of a PostgreSQL."""
    with running(PgBouncerServer(upstream=postgres.port, user=postgres.user)) as server:
        yield server
