from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.test.utils import override_settings
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import begin
from nothing_shared.node import process
from tests.causality import sites
from tests.causality.databases import Database, opened
from tests.servers import PostgreSQLServer, postgresql


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL of this test run's own."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_shop(django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    with django_db_blocker.unblock(), opened("shop_sqlite", settings) as database:
        yield database


@pytest.fixture(scope="session")
def postgresql_shop(
    postgres: PostgreSQLServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    with django_db_blocker.unblock(), opened("shop_postgresql", postgres.settings()) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    """A real database with the tables of the shop, as it was before after each test."""
    database: Database = request.getfixturevalue(f"{request.param}_shop")
    with django_db_blocker.unblock(), database.rolled_back():
        yield database


@pytest.fixture
def node(tmp_path: Path, settings: Any) -> Iterator[process.Node]:
    """A node of its own for one test, on a bus of its own."""
    settings.NOTHING_SHARED_NODE = {
        "DIRECTORY": tmp_path / "node",
        "LEASE": 5.0,
        "MAX_STALENESS": 20.0,
    }
    settings.NOTHING_SHARED_BUS = {"LOCATION": tmp_path / "bus"}
    begin()
    yield process.current()
    process.close()


@pytest.fixture(scope="session")
def postgresql_site(
    postgres: PostgreSQLServer, django_db_blocker: DjangoDbBlocker
) -> dict[str, Any]:
    """Settings of a PostgreSQL database with tables that are never rolled back."""
    import psycopg

    with psycopg.connect(
        host="127.0.0.1", port=postgres.port, user=postgres.user, autocommit=True
    ) as raw:
        raw.execute("CREATE DATABASE site")
    settings = postgres.settings("site")
    with django_db_blocker.unblock(), sites.connected(settings):
        sites.make_tables()
    return settings


@pytest.fixture
def sqlite_site(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> dict[str, Any]:
    settings = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": tmp_path / "site.sqlite3",
        "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"},
    }
    with django_db_blocker.unblock(), sites.connected(settings):
        sites.make_tables()
    return settings


@pytest.fixture(params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, node: process.Node, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A database of two authors for several connections, where what is committed stays so."""
    from tests.causality.shop.models import Author

    settings = request.getfixturevalue(f"{request.param}_site")
    with django_db_blocker.unblock(), sites.connected(settings) as alias:
        if request.param == "postgresql":
            sites.empty()
        Author.objects.using(alias).bulk_create([Author(name="Ursula"), Author(name="Octavia")])
        begin()
        yield alias


@pytest.fixture
def cache(node: process.Node) -> Iterator[MachineCache]:
    """A cache on that node."""
    backend = "nothing_shared.cache.backends.MachineCache"
    with override_settings(CACHES={"default": {"BACKEND": backend}}):
        found = caches["default"]
        assert isinstance(found, MachineCache)
        yield found
