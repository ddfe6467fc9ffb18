"""A PostgreSQL whose database holds a site and its bus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.bus.models import Group, Member, OutboxRow, Watermark
from tests.bus.brokers import Brokered
from tests.servers import PgBouncerServer, PostgreSQLServer, postgresql

__all__ = ["OnPostgreSQL", "SoonTrimmed", "session", "site_on_postgresql"]

SITE = "site"


@dataclass(frozen=True)
class OnPostgreSQL(Brokered):
    """The bus in the site's own database."""

    path: ClassVar[str] = "nothing_shared.bus.backends.postgres.PostgresBus"
    replays: ClassVar[bool] = True
    is_transactional: ClassVar[bool] = True

    def settings(self) -> dict[str, Any]:
        return {"BACKEND": self.path, "NAMESPACE": self.namespace, "OPTIONS": self.options}

    def databases(self) -> dict[str, dict[str, Any]]:
        assert isinstance(self.server, PostgreSQLServer | PgBouncerServer)
        return {"default": self.server.settings(SITE)}


class SoonTrimmed(OnPostgreSQL):
    options = {"RETENTION": 1.0}


@contextmanager
def site_on_postgresql(blocker: DjangoDbBlocker, *arguments: str) -> Iterator[PostgreSQLServer]:
    """Run a PostgreSQL with a database that has the tables of the bus."""
    with postgresql(*arguments) as running:
        with psycopg.connect(running.url, autocommit=True) as raw:
            raw.execute(f"CREATE DATABASE {SITE}")
        with blocker.unblock(), known(running.settings(SITE)):
            make_tables()
        yield running


@contextmanager
def known(settings: dict[str, Any]) -> Iterator[None]:
    """Make the site's database known to this process."""
    connections.settings[SITE] = {**connections.settings["default"], **settings}
    try:
        yield
    finally:
        connections[SITE].close()
        del connections[SITE]
        del connections.settings[SITE]


def make_tables() -> None:
    with connections[SITE].schema_editor() as editor:
        for model in (Group, Member, OutboxRow, Watermark):
            editor.create_model(model)


@contextmanager
def session(server: PostgreSQLServer) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the site's database, as somebody who knows nothing of this package."""
    address = {"host": "127.0.0.1", "port": server.port, "user": server.user}
    with psycopg.connect(**address, dbname=SITE, autocommit=True) as connection:
        yield connection
