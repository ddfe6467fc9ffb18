"""Which rows a statement pins, and that it reads and changes no other."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from nothing_shared.causality import rows
from nothing_shared.causality.footprint import analyse, bind
from nothing_shared.causality.relations import Schema, TableInfo
from nothing_shared.causality.touched import Touched
from tests.causality.random_sql import Random, pinning
from tests.causality.test_footprint import schema

UID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def touch(sql: str, *params: Any, vendor: str = "postgresql") -> Touched:
    known = schema(vendor, views={"seen": frozenset({"event"})})
    return bind(analyse(sql, known), params, many=False)


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("sql", "params", "keys"),
    [
        ("SELECT * FROM event WHERE id = %s", [5], {"5"}),
        ('SELECT * FROM "event" WHERE "event"."id" = %s LIMIT 21', [5], {"5"}),
        (
            "SELECT * FROM EVENT AS e WHERE (e.ID IN (%s, %s) AND e.a = %s) ORDER BY a",
            [5, 6, 9],
            {"5", "6"},
        ),
        ("SELECT * FROM event e WHERE e.id = 7", [], {"7"}),
        ("SELECT * FROM event WHERE id IN (1, %s, 007)", [5], {"1", "5", "7"}),
        ("SELECT * FROM event WHERE a = %s AND (b = %s AND (id = %s))", [1, 2, 3], {"3"}),
        ("SELECT * FROM event WHERE (a = 1 OR b = 2) AND id = %s", [3], {"3"}),
        (
            "SELECT * FROM event WHERE NOT a = 1 AND id = %s GROUP BY id HAVING count(*) > 1",
            [3],
            {"3"},
        ),
        ("SELECT * FROM event WHERE a BETWEEN 1 AND 2 AND id = %s", [3], {"3"}),
        ("SELECT * FROM event LEFT JOIN buyer b ON b.id = event.a WHERE event.id = %s", [3], {"3"}),
        ("SELECT * FROM buyer RIGHT JOIN event ON buyer.id = a WHERE event.id = %s", [3], {"3"}),
        (
            "SELECT (SELECT count(*) FROM log WHERE log.a = event.a) FROM event WHERE id = %s",
            [3],
            {"3"},
        ),
        (
            "SELECT * FROM event WHERE id = %s AND EXISTS (SELECT 1 FROM log WHERE a = event.a)",
            [3],
            {"3"},
        ),
        ("SELECT CASE WHEN a OR b THEN 1 END FROM event WHERE id = %s;", [3], {"3"}),
        ("SELECT * FROM event WHERE id = %s AND id = %s", [3, 3], {"3"}),
    ],
)
def test_a_key_in_the_outermost_where_pins_its_row(
    sql: str, params: list[Any], keys: set[str], vendor: str
) -> None:
    touched = touch(sql, *params, vendor=vendor)
    assert touched.read_rows == {"event": keys}
    assert "event" not in touched.reads


@pytest.mark.parametrize(
    "where",
    [
        "id = %s OR a = 1",
        "(id = %s OR a = 1)",
        "NOT id = %s",
        "NOT (id = %s)",
        "id + 0 = %s",
        "id = %s + 1",
        "id = -%s",
        "id = +%s",
        "id = %s::text",
        "id = %s COLLATE x",
        "id = %s IS NULL",
        "id = %s = a",
        "id <= %s",
        "id <> %s",
        "id = ANY (%s)",
        "id NOT IN (%s)",
        "id IN (%s, a)",
        "id IN (%s, -1)",
        "id IN (SELECT %s)",
        "id = (SELECT %s)",
        "id = 1.0 AND a = %s",
        "id = 0x10 AND a = %s",
        "a = id AND a = %s",
        "x.id = %s",
        "a = %s",
        "a BETWEEN 1 AND id = %s",
        "CASE WHEN a AND id = %s AND b THEN 1 END",
        "(SELECT a FROM log WHERE b AND id = %s)",
        "coalesce(id = %s, true)",
        "lower(id) = %s",
        "event.id = %s XOR a",
        "id = %s UNION SELECT * FROM event",
        "id = '%s'",
        "id = %s AND a = '%s'",
        "id = %s /* %s */",
        "id = %s AND a IN (SELECT a FROM event)",
        "a IN (SELECT id FROM buyer WHERE event.id = %s)",
    ],
)
def test_what_only_looks_like_a_pin_is_the_table(where: str) -> None:
    for sql in (f"SELECT * FROM event WHERE {where}", f"DELETE FROM event WHERE {where}"):
        touched = touch(sql, 5)
        assert "event" in touched.reads or touched.reads_unknown, sql
        assert "event" in touched.writes or touched.writes_unknown or sql.startswith("SELECT"), sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM event JOIN event e ON e.id = event.a WHERE event.id = %s",
        "SELECT * FROM event LEFT JOIN buyer b ON event.id = %s",
        "SELECT * FROM event GROUP BY id HAVING id = %s",
        "SELECT * FROM event, buyer WHERE id = %s",
        "SELECT * FROM event e WHERE event.id = %s AND b.id = 1",
        "SELECT * FROM (SELECT * FROM event WHERE id = %s) x",
        "WITH x AS (SELECT 1) SELECT * FROM event WHERE id = %s",
        "SELECT * FROM event UNION SELECT * FROM buyer WHERE id = %s",
        "(SELECT * FROM event WHERE id = %s)",
        "SELECT * FROM other.event WHERE id = %s",
        "SELECT * FROM event e, buyer e WHERE e.id = %s",
        "SELECT event FROM event WHERE id = %s",
        "SELECT * FROM event, (SELECT 1 AS id) AS x WHERE id = %s",
        "SELECT * FROM seen WHERE id = %s",
        "SELECT * FROM event WHERE id = %s AND EXISTS (SELECT 1 FROM seen)",
        "UPDATE event SET id = 7 WHERE id = %s",
        "UPDATE event SET a = 1, id = id + 1 WHERE id = %s",
        "UPDATE event SET (a, id) = (1, 2) WHERE id = %s",
        "UPDATE event SET a = buyer.a FROM buyer WHERE id = %s",
    ],
)
def test_a_key_elsewhere_pins_nothing(sql: str) -> None:
    touched = touch(sql, 5)
    assert "event" in touched.reads
    assert "event" not in touched.written_rows


def test_an_update_of_sqlites_row_number_pins_nothing() -> None:
    for name in ("rowid", "_rowid_", "oid"):
        sql = f"UPDATE event SET {name} = 7 WHERE id = %s"
        assert touch(sql, 5, vendor="sqlite").writes == {"event"}


@pytest.mark.parametrize(
    ("sql", "params", "keys"),
    [
        ("UPDATE event SET a = %s WHERE id = %s", [1, 5], {"5"}),
        (
            "UPDATE event SET a = CASE WHEN id = %s THEN 1 END, b = f WHERE event.id IN (%s, %s)",
            [1, 5, 6],
            {"5", "6"},
        ),
        ("UPDATE event AS e SET a = b.a FROM buyer b WHERE b.id = e.a AND e.id = %s", [5], {"5"}),
        ("DELETE FROM event WHERE event.id IN (%s, %s)", [5, 6], {"5", "6"}),
        ("INSERT INTO event (a, id) VALUES (%s, %s), (2, %s)", [1, 5, 6], {"5", "6"}),
        ("INSERT INTO event (id, a) VALUES (%s, (%s)::int), (8, now())", [5, 1], {"5", "8"}),
    ],
)
def test_written_rows_are_pinned_too(sql: str, params: list[Any], keys: set[str]) -> None:
    touched = touch(sql, *params)
    assert touched.written_rows == {"event": keys}
    assert "event" not in touched.writes


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO event (a) VALUES (%s)",
        "INSERT INTO event (a) VALUES (%s) RETURNING event.id, a",
        "INSERT INTO event DEFAULT VALUES",
        "INSERT INTO event (id) VALUES (DEFAULT) RETURNING *",
        "INSERT INTO event (id, a) VALUES (NULL, %s)",
    ],
)
def test_a_row_whose_key_the_database_makes_is_one_insert(sql: str) -> None:
    touched = touch(sql, *[5] * sql.count("%s"))
    assert touched.inserts == "event"
    assert not touched.writes
    assert not touched.reads
    assert touched.is_write


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO event (a) VALUES (%s), (2)",
        "INSERT INTO event VALUES (%s)",
        "INSERT INTO event (id) SELECT %s",
        "INSERT INTO event (id) VALUES (%s + 1)",
        "INSERT INTO event (id) VALUES (lower(%s))",
        "INSERT INTO event (rowid) VALUES (%s)",
        "INSERT INTO event (a) VALUES (%s) ON CONFLICT DO NOTHING",
        "INSERT INTO event (id) VALUES (%s) ON CONFLICT (id) DO UPDATE SET a = 1",
        "INSERT INTO event (a) VALUES (%s) RETURNING a AS id",
        "INSERT INTO event (a) VALUES (%s) RETURNING a id",
        "INSERT INTO event (a) VALUES (%s) RETURNING id + 1",
        "INSERT INTO other.event (a) VALUES (%s)",
        "INSERT INTO event (a, id) VALUES (%s)",
        "INSERT INTO ticket (a) VALUES (%s)",
        "INSERT INTO log (a) VALUES (%s)",
    ],
)
def test_any_other_insert_is_of_unknown_rows(sql: str) -> None:
    touched = touch(sql, 5)
    assert touched.writes
    assert not touched.written_rows
    assert touched.inserts is None


@pytest.mark.parametrize(
    ("table", "column", "value", "key"),
    [
        ("event", "id", 5, "5"),
        ("event", "id", -5, "-5"),
        ("event", "id", 2**63, str(2**63)),
        ("event", "id", True, None),
        ("event", "id", None, None),
        ("event", "id", "5", None),
        ("event", "id", 5.0, None),
        ("event", "id", 2**64, None),
        ("event", "id", (5, 6), None),
        ("event", "id", UID, None),
        ("event", "id", UID.hex, None),
        ("ticket", "uid", UID, UID.hex),
        ("ticket", "uid", UID.hex, UID.hex),
        ("ticket", "uid", str(UID).upper(), UID.hex),
        ("ticket", "uid", f"{{{UID}}}", None),
        ("ticket", "uid", str(UID)[:-1], None),
        ("ticket", "uid", f"{UID.hex}\n", None),
        ("ticket", "uid", 5, None),
    ],
)
def test_only_a_value_of_the_keys_own_type_is_a_key(
    table: str, column: str, value: object, key: str | None
) -> None:
    touched = touch(f"SELECT * FROM {table} WHERE {column} = %s", value)
    assert touched.read_rows == ({} if key is None else {table: {key}})
    assert touched.reads == ({table} if key is None else set())


def test_a_number_too_long_to_be_written_out_is_no_key() -> None:
    assert touch("SELECT * FROM event WHERE id = %s", 10**5000).reads == {"event"}


def test_integers_wrapped_for_psycopg_are_keys_and_other_subclasses_are_not() -> None:
    from psycopg.types.numeric import Int8

    class Adapted(int):
        pass

    assert touch("SELECT * FROM event WHERE id = %s", Int8(5)).read_rows == {"event": {"5"}}
    assert touch("SELECT * FROM event WHERE id = %s", Adapted(5)).reads == {"event"}


@pytest.mark.parametrize("params", [None, {"id": 5}, [], [5, 6], "text", iter([5]), 5])
def test_parameters_that_do_not_fit_the_text_pin_nothing(params: Any) -> None:
    footprint = analyse("UPDATE event SET a = 1 WHERE id = %s", schema())
    touched = bind(footprint, params, many=False)
    assert touched.writes == {"event"}
    assert not touched.written_rows


def test_executemany_pins_the_rows_of_all_its_parameters_up_to_a_bound() -> None:
    footprint = analyse("UPDATE event SET a = %s WHERE id = %s", schema())
    assert bind(footprint, [(0, 1), [0, 2]], many=True).written_rows == {"event": {"1", "2"}}
    assert not bind(footprint, [], many=True).writes
    for beyond in (
        [(0, n) for n in range(101)],
        iter([(0, 1)]),
        [(0, 1), (0, None)],
        [(0, 1), {"id": 1}],
        [1],
    ):
        assert bind(footprint, beyond, many=True).writes == {"event"}
    inserting = analyse("INSERT INTO event (a) VALUES (%s)", schema())
    assert bind(inserting, [(1,), (2,)], many=True).writes == {"event"}


def test_many_keys_are_the_table() -> None:
    places = ", ".join(["%s"] * 101)
    assert touch(f"SELECT * FROM event WHERE id IN ({places})", *range(101)).reads == {"event"}


def test_a_table_that_is_reached_another_way_too_is_written_at_large() -> None:
    known = schema(
        triggers={"event": frozenset({"event"})}, cascades={"buyer": frozenset({"buyer", "log"})}
    )
    touched = bind(analyse("UPDATE event SET a = 1 WHERE id = %s", known), (5,), many=False)
    assert touched.writes == {"event"}
    touched = bind(analyse("DELETE FROM buyer WHERE id = %s", known), (5,), many=False)
    assert touched.writes == {"buyer", "log"}
    touched = bind(analyse("UPDATE buyer SET a = 1 WHERE id = %s", known), (5,), many=False)
    assert not touched.writes


# Random statements on a real database


RANDOM_SCHEMA = Schema(
    "sqlite",
    tables=dict.fromkeys("tu", TableInfo("id", "int", is_auto=True)),
    functions=None,
    is_complete=True,
)
CONTENT = [(n, n % 3, 7 - n) for n in range(1, 7)]


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for table in "tu":
        connection.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, a integer, b integer)")
    return connection


def fill(connection: sqlite3.Connection) -> None:
    for table in "tu":
        connection.execute(f"DELETE FROM {table}")
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", CONTENT)


def violation(connection: sqlite3.Connection, statement: Random) -> str | None:
    """Say how a statement read or changed a row outside its footprint; None if it did not."""
    touched = bind(analyse(statement.sql, RANDOM_SCHEMA), statement.params, many=False)
    fill(connection)
    try:
        first = answer(connection, statement)
    except sqlite3.Error:
        return None  # an ambiguous column, a key that is taken
    if (changed := changes(connection)) - covered(touched.writes, touched.written_rows):
        return f"changed {changed}: {statement}, {touched}"
    fill(connection)
    disturb(connection, covered(touched.reads, touched.read_rows))
    if not touched.is_write and answer(connection, statement) != first:
        return f"read another row: {statement}, {touched}"
    return None


def answer(connection: sqlite3.Connection, statement: Random) -> list[Any]:
    sql = statement.sql.replace("%s", "?")
    return sorted(connection.execute(sql, statement.params).fetchall(), key=repr)


def covered(tables: frozenset[str], pinned: Any) -> set[tuple[str, str]]:
    every = {(table, str(n)) for table in tables for n in range(50)}
    return every | {(table, key) for table, keys in pinned.items() for key in keys}


def changes(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    found = set()
    for table in "tu":
        now = set(connection.execute(f"SELECT * FROM {table}").fetchall())
        found |= {(table, str(row[0])) for row in now ^ set(CONTENT)}
    return found


def disturb(connection: sqlite3.Connection, but: set[tuple[str, str]]) -> None:
    """Change, delete and add rows, all but those."""
    for table in "tu":
        for n in range(1, 9):
            if (table, str(n)) not in but:
                connection.execute(f"DELETE FROM {table} WHERE id = ?", [n])
                if n % 3:
                    connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", [n, n - 3, n])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_random_statement_reads_or_changes_a_row_outside_its_footprint(
    data: st.DataObject,
) -> None:
    connection = database()
    try:
        written = pinning(lambda forms: data.draw(st.sampled_from(list(forms))))
        assert violation(connection, written) is None
    finally:
        connection.close()


@contextmanager
def broken(module: Any, name: str, value: Any) -> Iterator[None]:
    """Put a fault into the analyser, and start with an empty memo."""
    right = getattr(module, name)
    setattr(module, name, value)
    RANDOM_SCHEMA.memo.known.clear()
    try:
        yield
    finally:
        setattr(module, name, right)
        RANDOM_SCHEMA.memo.known.clear()


def any_violation(count: int = 6000) -> str | None:
    connection, choose = database(), random.Random(7).choice
    try:
        found = (violation(connection, pinning(choose)) for _ in range(count))
        return next(filter(None, found), None)
    finally:
        connection.close()


def test_thousands_of_random_statements_stay_within_their_footprints() -> None:
    assert any_violation(1200) is None


def split_at_every_and(it: Any, start: int, end: int) -> list[tuple[int, int]]:
    """Forget that BETWEEN has an AND of its own."""
    pieces = []
    for at in rows.level(it, start, end):
        if it.tokens[at] in rows.DISJOINING:
            return []
        if it.tokens[at] == "and":
            pieces.append((start, at))
            start = at + 1
    return [*pieces, (start, end)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (rows, "split", split_at_every_and),
        (rows, "DISJOINING", rows.DISJOINING - {"or"}),
        (rows, "DISJOINING", rows.DISJOINING - {"case"}),
        (rows, "DISJOINING", rows.DISJOINING - {"select"}),
        (rows, "occurs_once", lambda *_: True),
        (rows, "is_assigned", lambda *_: False),
        (rows, "ROW_IDS", frozenset()),
        (rows, "compared", lambda it, at, end: range(at + 1, at + 2)),
    ],
    ids=["between", "or", "case", "subquery", "self-join", "key", "rowid", "shape"],
)
def test_a_broken_reader_of_rows_is_found_out(module: Any, name: str, fault: Any) -> None:
    with broken(module, name, fault):
        assert any_violation() is not None
