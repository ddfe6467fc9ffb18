from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

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
def shop(
    request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """A real database with the tables of the shop, as it was before after each test."""
    database: Database = request.getfixturevalue(f"{request.param}_shop")
    with django_db_blocker.unblock(), database.rolled_back():
        yield database
