"""Against SQLite's own programs: no table that a nested statement touches is missed, known or not."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from nothing_shared.causality import keywords
from nothing_shared.causality.footprint import analyse
from nothing_shared.causality.relations import Schema, TableInfo
from nothing_shared.causality.statement import Statement
from tests.causality.random_sql import nested

SCHEMA = Schema(
    "sqlite",
    tables={"t": TableInfo("id", "int", is_auto=True), "u": TableInfo()},
    views={"v": frozenset({"t"})},
    functions=None,
    is_complete=True,
)
"""It has not heard of the table ``secret``."""

TABLES = """
CREATE TABLE t (id integer PRIMARY KEY, a, b);
CREATE TABLE u (id integer PRIMARY KEY, a, b);
CREATE TABLE secret (a);
CREATE VIEW v AS SELECT a FROM t;
"""


class Seen(NamedTuple):
    read: set[str]
    written: set[str]


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=0)
    connection.executescript(TABLES)
    yield connection
    connection.close()


def seen_by(connection: sqlite3.Connection, text: str) -> Seen | None:
    """Return the tables that SQLite's program for a statement opens; None if it is none."""
    pages = dict(connection.execute("SELECT rootpage, tbl_name FROM sqlite_master").fetchall())
    try:
        program = connection.execute(
            f"EXPLAIN {text.removeprefix('EXPLAIN QUERY PLAN ')}"
        ).fetchall()
    except sqlite3.Error:
        return None
    opened: dict[str, set[str]] = {"OpenRead": set(), "OpenWrite": set()}
    for _, opcode, _, page, *_ in program:
        if opcode in opened and page in pages:
            opened[opcode].add(pages[page])
    return Seen(opened["OpenRead"], opened["OpenWrite"])


def missed(connection: sqlite3.Connection, text: str) -> str | None:
    """Say what the footprint of a text lacks; None if nothing."""
    seen, footprint = seen_by(connection, text), analyse(text, SCHEMA)
    if seen is None or footprint.writes_unknown:
        return None
    touched = footprint.at_large
    reads, writes = seen.read - seen.written, seen.written
    if "secret" in writes or (writes - touched.writes and not text.startswith("EXPLAIN")):
        return f"writes {writes}: {text}"
    if touched.reads_unknown:
        return None
    return f"reads {reads}: {text}" if reads - touched.reads else None


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_no_nested_statement_touches_a_table_outside_its_footprint(
    connection: sqlite3.Connection, data: st.DataObject
) -> None:
    text = nested(lambda forms: data.draw(st.sampled_from(list(forms))))
    assert missed(connection, text) is None


def any_missed(connection: sqlite3.Connection, count: int = 2500) -> str | None:
    SCHEMA.memo.known.clear()
    choose = random.Random(11).choice
    found = (missed(connection, nested(choose)) for _ in range(count))
    return next(filter(None, found), None)


def test_thousands_of_nested_statements_stay_within_their_footprints(
    connection: sqlite3.Connection,
) -> None:
    assert any_missed(connection) is None


def test_nested_statements_are_mostly_understood(connection: sqlite3.Connection) -> None:
    choose = random.Random(5).choice
    texts = [nested(choose) for _ in range(1500)]
    valid = [text for text in texts if "secret" not in text and seen_by(connection, text)]
    understood = [text for text in valid if not analyse(text, SCHEMA).reads_unknown]
    assert len(valid) > 100
    assert len(understood) > 0.8 * len(valid)


def forgets_scopes(statement: Statement, names: tuple[str, ...]) -> bool:
    return names[-1] in ("c", "d", "secret")


FAULTS: dict[str, tuple[Any, str, Any]] = {
    "commas": (keywords.SQLITE, ",", lambda *_: None),
    "joins": (keywords.SQLITE, "join", lambda *_: None),
    "IN a table": (keywords.SQLITE, "in", lambda *_: None),
    "names like keywords": (keywords.SQLITE, "offset", keywords.end_from),
    "scopes of CTEs": (Statement, "_is_cte", forgets_scopes),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_reader_of_tables_is_found_out(
    fault: str, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name, broken = FAULTS[fault]
    if isinstance(where, dict):
        monkeypatch.setitem(where, name, broken)
    else:
        monkeypatch.setattr(where, name, broken)
    assert any_missed(connection) is not None
    monkeypatch.undo()
    SCHEMA.memo.known.clear()
