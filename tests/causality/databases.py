"""Databases to observe, and what they themselves say a statement touched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.footprint import Footprint, Touched, analyse, bind
from nothing_shared.causality.schema import Schema, Schemas
from nothing_shared.causality.sql import bare_name

__all__ = ["Database", "Heard", "connected", "opened", "run"]

VIEWS_AND_TRIGGERS = {
    "sqlite": """
        CREATE VIEW shop_author_statistics AS
          SELECT a.id AS author_id, count(b.id) AS books
          FROM shop_author a LEFT JOIN shop_book b ON b.author_id = a.id GROUP BY a.id;
        CREATE TABLE shop_log (entry text);
        CREATE TRIGGER shop_note_country AFTER UPDATE ON shop_country BEGIN
          INSERT INTO shop_log SELECT name FROM shop_place WHERE CASE WHEN 1 THEN 1 END;
          UPDATE shop_club SET country_id = NULL WHERE country_id = old.code; END;
    """,
    "postgresql": """
        CREATE VIEW shop_author_statistics AS
          SELECT a.id AS author_id, count(b.id) AS books
          FROM shop_author a LEFT JOIN shop_book b ON b.author_id = a.id GROUP BY a.id;
        CREATE TABLE shop_log (entry text);
        CREATE FUNCTION shop_note() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN INSERT INTO shop_log VALUES (old.name); RETURN NEW; END $$;
        CREATE TRIGGER shop_note_country AFTER UPDATE ON shop_country
          FOR EACH ROW EXECUTE FUNCTION shop_note();
    """,
}


@dataclass
class Heard:
    """One statement: our footprint of it, and what the database said."""

    sql: str
    footprint: Footprint
    touched: Touched
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


class Database:
    """A connection on which every statement is both analysed and seen through the server's eyes."""

    def __init__(self, connection: BaseDatabaseWrapper, schema: Schema) -> None:
        self.connection = connection
        self.alias = connection.alias
        self.vendor = connection.vendor
        self.schema = schema
        self._oracle = ORACLES[connection.vendor](connection)

    @property
    def foreign_keys(self) -> list[tuple[str, str]]:
        """Pairs of tables, each of which checks the other."""
        fields = [
            (model, field)
            for model in apps.get_models(include_auto_created=True)
            for field in model._meta.local_fields
            if field.is_relation
        ]
        return [
            (bare_name(model._meta.db_table), bare_name(field.related_model._meta.db_table))
            for model, field in fields
        ]

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        with transaction.atomic(using=self.alias):
            yield
            transaction.set_rollback(True, using=self.alias)

    @contextmanager
    def heard(self) -> Iterator[list[Heard]]:
        """Collect all statements of a block."""
        statements: list[Heard] = []

        def hear(
            execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
        ) -> Any:
            footprint = analyse(sql, self.schema)
            heard = Heard(str(sql), footprint, bind(footprint, params, many))
            statements.append(heard)
            if footprint.controls:
                return execute(sql, params, many, context)
            return self._oracle.watch(
                heard, params, many, lambda: execute(sql, params, many, context)
            )

        with self.connection.execute_wrapper(hear):
            yield statements


class SQLiteOracle:
    """SQLite's authorizer names every table and column that a statement is compiled to touch."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._raw = connection.connection

    def watch(self, heard: Heard, params: Any, many: bool, execute: Callable[[], Any]) -> Any:
        seen: list[tuple[int, str, str, str]] = []

        def authorize(action: int, first: str, second: str, schema: str, inner: str) -> int:
            seen.append((action, first or "", second or "", inner or ""))
            return sqlite3.SQLITE_OK

        self._raw.set_authorizer(authorize)
        try:
            return execute()
        finally:
            self._raw.set_authorizer(None)
            self._note(heard, seen)

    def _note(self, heard: Heard, seen: list[tuple[int, str, str, str]]) -> None:
        writes = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
        for action, table, _, inner in seen:
            if bare_name(table).startswith("sqlite_"):
                continue
            if action in writes:
                heard.written.add(bare_name(table))
            elif action == sqlite3.SQLITE_READ and not inner.startswith("shop_note"):
                heard.read.add(bare_name(table))


class PostgreSQLOracle:
    """PostgreSQL's plans name what is read; its counters of this transaction what was written."""

    COUNTERS = (
        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_catalog.pg_stat_xact_user_tables"
    )

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._raw = connection.connection

    def watch(self, heard: Heard, params: Any, many: bool, execute: Callable[[], Any]) -> Any:
        for some in params if many else [params]:
            self._read(heard, some)
        before = dict(self._raw.execute(self.COUNTERS).fetchall())
        result = execute()
        after = dict(self._raw.execute(self.COUNTERS).fetchall())
        heard.written |= {bare_name(name) for name, n in after.items() if n != before.get(name, 0)}
        return result

    def _read(self, heard: Heard, params: Any) -> None:
        if heard.sql.split()[0].upper() not in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            return
        with self._raw.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON, VERBOSE) {heard.sql}", params)
            (answer,) = cursor.fetchone()
        plans = answer if isinstance(answer, list) else json.loads(answer)
        pending = [plan["Plan"] for plan in plans]
        while pending:
            node = pending.pop()
            pending.extend(node.get("Plans", ()))
            if name := node.get("Relation Name"):
                writes = node["Node Type"] == "ModifyTable"
                (heard.written if writes else heard.read).add(bare_name(name))


ORACLES: dict[str, type[SQLiteOracle | PostgreSQLOracle]] = {
    "sqlite": SQLiteOracle,
    "postgresql": PostgreSQLOracle,
}


@contextmanager
def connected(alias: str, settings: dict[str, Any]) -> Iterator[BaseDatabaseWrapper]:
    """Connect to a database under an alias of its own, observed by nobody."""
    connections.settings[alias] = {**connections.settings["default"], **settings}
    connection = connections[alias]
    try:
        connection.ensure_connection()
        connection.execute_wrappers.clear()
        yield connection
    finally:
        BaseDatabaseWrapper.close(connection)  # SQLite's own leaves databases in memory open
        del connections[alias]
        del connections.settings[alias]


@contextmanager
def opened(alias: str, settings: dict[str, Any]) -> Iterator[Database]:
    """Connect to an empty database and fill it with the tables of the shop."""
    with connected(alias, settings) as connection:
        make_tables(connection)
        yield Database(connection, Schemas().of(connection))


def make_tables(connection: BaseDatabaseWrapper) -> None:
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
    run(connection, VIEWS_AND_TRIGGERS[connection.vendor])


def run(connection: BaseDatabaseWrapper, script: str) -> None:
    """Run a script through the driver."""
    raw: Any = connection.connection
    (raw.executescript if connection.vendor == "sqlite" else raw.execute)(script)
