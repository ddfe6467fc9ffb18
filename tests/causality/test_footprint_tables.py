"""Against the databases' own plans: no table that a nested statement touches is missed, known or not."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from hypothesis import given, settings, strategies as st
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.causality import keywords
from nothing_shared.causality.footprint import analyse
from nothing_shared.causality.relations import Schema, TableInfo
from nothing_shared.causality.statement import Statement
from tests.causality.databases import connected, run
from tests.causality.random_sql import nested
from tests.servers import PostgreSQLServer

TABLES = """
CREATE TABLE t (id integer PRIMARY KEY, a int, b int);
CREATE TABLE u (id integer PRIMARY KEY, a int, b int);
CREATE TABLE secret (a int);
CREATE VIEW v AS SELECT a FROM t;
"""


def schema(vendor: str) -> Schema:
    """Return a schema that has not heard of the table ``secret``."""
    called = "coalesce count generate_series length now substring system trim unnest"
    return Schema(
        vendor,
        tables={"t": TableInfo("id", "int", is_auto=True), "u": TableInfo()},
        views={"v": frozenset({"t"})},
        functions=None if vendor == "sqlite" else frozenset(called.split()),
        is_complete=True,
    )


class Seen(NamedTuple):
    read: set[str]
    written: set[str]


class SQLite:
    """Programs of SQLite say which tables they open."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        run(connection, TABLES)
        self._raw: Any = connection.connection
        self._pages = dict(
            self._raw.execute("SELECT rootpage, tbl_name FROM sqlite_master").fetchall()
        )
        self.schema = schema("sqlite")

    def seen_by(self, text: str) -> Seen | None:
        """Return what a statement touches; None if it is none."""
        text = f"EXPLAIN {text.removeprefix('EXPLAIN QUERY PLAN ')}"
        try:
            program = self._raw.execute(text).fetchall()
        except sqlite3.Error:
            return None
        opened: dict[str, set[str]] = {"OpenRead": set(), "OpenWrite": set()}
        for _, opcode, _, page, *_ in program:
            if opcode in opened and page in self._pages:
                opened[opcode].add(self._pages[page])
        return Seen(opened["OpenRead"], opened["OpenWrite"])


class PostgreSQL:
    """Plans of PostgreSQL say which tables they scan and modify."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        run(connection, TABLES)
        self._raw: Any = connection.connection
        self.schema = schema("postgresql")

    def seen_by(self, text: str) -> Seen | None:
        try:
            [(plans,)] = self._raw.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchall()
        except psycopg.Error:
            return None
        seen, pending = Seen(set(), set()), [plan["Plan"] for plan in plans]
        while pending:
            node = pending.pop()
            pending.extend(node.get("Plans", ()))
            if name := node.get("Relation Name"):
                (seen.written if node["Node Type"] == "ModifyTable" else seen.read).add(name)
        return seen


Oracle = SQLite | PostgreSQL


@pytest.fixture(scope="module")
def sqlite(django_db_blocker: DjangoDbBlocker) -> Iterator[SQLite]:
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    with django_db_blocker.unblock(), connected("plans_sqlite", settings) as connection:
        yield SQLite(connection)


@pytest.fixture(scope="module")
def postgresql(
    postgres: PostgreSQLServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[PostgreSQL]:
    with django_db_blocker.unblock(), connected("plans", postgres.settings("template1")) as base:
        run(base, "CREATE DATABASE plans")
        with connected("plans_postgresql", postgres.settings("plans")) as connection:
            yield PostgreSQL(connection)
        run(base, "DROP DATABASE plans")


@pytest.fixture(params=["sqlite", "postgresql"])
def oracle(request: pytest.FixtureRequest) -> Oracle:
    found: Oracle = request.getfixturevalue(request.param)
    return found


def missed(oracle: Oracle, text: str) -> str | None:
    """Say what the footprint of a text lacks; None if nothing."""
    seen, footprint = oracle.seen_by(text), analyse(text, oracle.schema)
    if seen is None or footprint.writes_unknown:
        return None
    touched = footprint.at_large
    if "secret" in seen.written or (
        seen.written - touched.writes and not text.startswith("EXPLAIN")
    ):
        return f"writes {seen.written}: {text}"
    reads = seen.read - seen.written
    return f"reads {reads}: {text}" if reads - touched.reads and not touched.reads_unknown else None


def any_missed(oracle: Oracle, count: int = 4000) -> str | None:
    oracle.schema.memo.known.clear()
    choose = random.Random(11).choice
    found = (missed(oracle, nested(choose, oracle.schema.vendor)) for _ in range(count))
    return next(filter(None, found), None)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_no_nested_statement_touches_a_table_outside_its_footprint(
    sqlite: SQLite, data: st.DataObject
) -> None:
    text = nested(lambda forms: data.draw(st.sampled_from(list(forms))))
    assert missed(sqlite, text) is None


def test_thousands_of_nested_statements_stay_within_their_footprints(oracle: Oracle) -> None:
    assert any_missed(oracle, 1000) is None


def test_nested_statements_are_mostly_understood(oracle: Oracle) -> None:
    choose = random.Random(5).choice
    texts = [nested(choose, oracle.schema.vendor) for _ in range(600)]
    valid = [text for text in texts if "secret" not in text and oracle.seen_by(text)]
    understood = [text for text in valid if not analyse(text, oracle.schema).reads_unknown]
    assert len(valid) > 40
    assert len(understood) > 0.6 * len(valid)


def forgets_scopes(statement: Statement, names: tuple[str, ...]) -> bool:
    return names[-1] in ("c", "d", "secret")


def ignores(*_: object) -> None:
    """Do nothing where something should be done."""


FAULTS: dict[str, tuple[Any, str, Any]] = {
    "commas": (keywords.SQLITE, ",", ignores),
    "joins": (keywords.SQLITE, "join", ignores),
    "IN a table": (keywords.SQLITE, "in", ignores),
    "names like keywords": (keywords.SQLITE, "offset", keywords.end_from),
    "scopes of CTEs": (Statement, "_is_cte", forgets_scopes),
}
POSTGRESQL_FAULTS: dict[str, tuple[Any, str, Any]] = {
    "commas": (keywords.POSTGRESQL, ",", ignores),
    "TABLE": (keywords.POSTGRESQL, "table", ignores),
    "scopes of CTEs": (Statement, "_is_cte", forgets_scopes),
}


def break_(fault: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, broken = fault
    (monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr)(where, name, broken)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_reader_of_sqlites_tables_is_found_out(
    fault: str, sqlite: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_(FAULTS[fault], monkeypatch)
    assert any_missed(sqlite) is not None


@pytest.mark.slow
@pytest.mark.parametrize("fault", POSTGRESQL_FAULTS)
def test_a_broken_reader_of_postgresqls_tables_is_found_out(
    fault: str, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_(POSTGRESQL_FAULTS[fault], monkeypatch)
    assert any_missed(postgresql) is not None
