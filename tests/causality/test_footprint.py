"""What is read out of a SQL text, without any database."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from nothing_shared.causality.footprint import Footprint, analyse, bind
from nothing_shared.causality.relations import Schema, TableInfo
from nothing_shared.causality.sql import bare_name, fold, parts, tokenise
from nothing_shared.causality.understanding import understand

VENDORS = ["sqlite", "postgresql", "mysql"]

TABLES = {
    "event": TableInfo("id", "int", is_auto=True),
    "ticket": TableInfo("uid", "uuid"),
    "buyer": TableInfo("id", "int", is_auto=True),
    "log": TableInfo(),
}


def schema(vendor: str = "sqlite", **changes: object) -> Schema:
    """Return a small schema that the database itself was asked for."""
    functions = None if vendor == "sqlite" else frozenset({"count", "lower", "now", "nextval"})
    options = {"tables": TABLES, "functions": functions, "is_complete": True}
    return Schema(vendor, **{**options, **changes})  # type: ignore[arg-type]


def read(sql: str, vendor: str = "sqlite") -> Footprint:
    footprint = analyse(sql, schema(vendor))
    assert not footprint.at_large.is_write, sql
    return footprint


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM event, buyer",
        'SELECT * FROM "event" AS e JOIN "public"."buyer" b ON (b.id = e.id)',
        "SELECT * FROM (event CROSS JOIN buyer)",
        "SELECT * FROM ((SELECT * FROM event) x LEFT JOIN (buyer) ON true)",
        "SELECT (SELECT count(*) FROM buyer) FROM event",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM event WHERE id IN (SELECT id FROM buyer))",
        "WITH x AS (SELECT * FROM event), y (a) AS (SELECT id FROM buyer) SELECT * FROM x, y",
        "WITH RECURSIVE x AS (SELECT 1 UNION SELECT id FROM event, x) SELECT * FROM x JOIN buyer ON 1=1",
        "SELECT id FROM event UNION ALL (SELECT id FROM buyer)",
        "SELECT CASE WHEN id = 1 THEN (SELECT id FROM buyer) END FROM event",
        "select/**/EVENT.id--comment\nfrom EVENT/* from log */join Buyer on event.id=buyer.id",
        "(SELECT * FROM event) INTERSECT (SELECT * FROM buyer)",
        "SELECT * FROM event WHERE id IS DISTINCT FROM (SELECT max(id) FROM buyer)".replace(
            "max", "count"
        ),
        "SELECT * FROM event WHERE name = 'it''s' OR name = ';' OR '--' = id AND 1 IN (SELECT 1 FROM buyer)",
        "EXPLAIN SELECT * FROM event, buyer",
        "SELECT * FROM event e, buyer b ORDER BY e.id, b.id",
    ],
)
def test_tables_are_found_wherever_they_are_read(sql: str, vendor: str) -> None:
    footprint = read(sql, vendor)
    assert footprint.reads == {"event", "buyer"}
    assert not footprint.reads_unknown


@pytest.mark.parametrize(
    ("vendor", "sql"),
    [
        ("postgresql", "SELECT EXTRACT(YEAR FROM event.day), substring(x FROM 1 FOR 2) FROM event"),
        (
            "postgresql",
            "SELECT * FROM event WHERE x IS NOT DISTINCT FROM y ORDER BY id FETCH FIRST ROW ONLY",
        ),
        (
            "postgresql",
            "SELECT * FROM event, LATERAL (SELECT 1) AS x (a) WHERE b::numeric(1, 2) = 1",
        ),
        (
            "postgresql",
            "SELECT count(*) FILTER (WHERE a) OVER (PARTITION BY b) FROM ONLY event FOR UPDATE",
        ),
        ("postgresql", "TABLE event"),
        (
            "postgresql",
            "SELECT now(), pg_catalog.lower(a) FROM event WINDOW w AS (ORDER BY (a)), v AS (w)",
        ),
        ("postgresql", "SELECT E'it\\'s', $$ FROM log $$, 'a' 'b', B'1' FROM event e"),
        ("sqlite", "SELECT * FROM [event] WHERE 1 IN (SELECT value FROM json_each('[1]'))"),
        ("sqlite", "SELECT anything(lower(x)) FROM `event` WHERE a LIKE 'x\\' ESCAPE '\\'"),
        ("sqlite", "SELECT * FROM 'event' LIMIT 1, 2"),
        ("sqlite", "SELECT * FROM main.event NOT INDEXED WHERE 1 IN event"),
    ],
)
def test_a_dialects_own_forms_name_no_other_table(vendor: str, sql: str) -> None:
    footprint = read(sql, vendor)
    assert footprint.reads == {"event"}
    assert not footprint.reads_unknown


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM unheard_of",
        "SELECT * FROM event, unheard_of",
        "SELECT * FROM event e JOIN main.unheard_of ON 1",
        "SELECT * FROM event WHERE id IN (SELECT id FROM unheard_of)",
        "SELECT * FROM event WHERE id IN unheard_of",
        "SELECT * FROM (event, (unheard_of))",
        "WITH x AS (SELECT * FROM (WITH unheard_of AS (SELECT 1) SELECT 1)) SELECT * FROM unheard_of",
        "SELECT * FROM unheard_of('event')",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM event WINDOW, unheard_of",
    ],
)
def test_an_unknown_table_is_a_read_of_anything(sql: str) -> None:
    assert read(sql).reads_unknown


@pytest.mark.parametrize(
    ("sql", "writes", "reads"),
    [
        ("INSERT INTO event (a) SELECT a FROM buyer", {"event"}, {"buyer"}),
        ("INSERT INTO log VALUES (1)", {"log"}, set()),
        ("UPDATE event SET a = 1", {"event"}, {"event"}),
        (
            "UPDATE event SET a = buyer.a FROM buyer WHERE buyer.id = event.id",
            {"event"},
            {"event", "buyer"},
        ),
        ("UPDATE event SET a = (SELECT count(*) FROM buyer)", {"event"}, {"event", "buyer"}),
        ("DELETE FROM event", {"event"}, {"event"}),
        ("DELETE FROM event WHERE id IN (SELECT id FROM buyer)", {"event"}, {"event", "buyer"}),
        (
            "DELETE FROM event WHERE a = %s RETURNING (SELECT 1 FROM log)",
            {"event"},
            {"event", "log"},
        ),
        ("INSERT INTO event (id) VALUES (%s) ON CONFLICT DO NOTHING", {"event"}, {"event"}),
        (
            "INSERT INTO event (id) VALUES (%s) ON CONFLICT (id) DO UPDATE SET a = 1",
            {"event"},
            {"event"},
        ),
        (
            "WITH x AS (SELECT * FROM buyer) UPDATE event SET a = 1 WHERE id IN (SELECT id FROM x)",
            {"event"},
            {"event", "buyer"},
        ),
    ],
)
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_writes_are_told_from_reads(
    sql: str, writes: set[str], reads: set[str], vendor: str
) -> None:
    footprint = analyse(sql, schema(vendor))
    assert footprint.writes == writes
    assert footprint.reads == reads
    assert not footprint.written_rows
    assert not footprint.writes_unknown


MERGE = """
MERGE INTO event USING buyer b ON b.id = event.id WHEN MATCHED THEN UPDATE SET a = 1
WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (1)
"""


@pytest.mark.parametrize(
    ("vendor", "sql", "writes"),
    [
        (
            "postgresql",
            "WITH gone AS (DELETE FROM event RETURNING *) INSERT INTO log SELECT * FROM gone",
            {"event", "log"},
        ),
        (
            "postgresql",
            "WITH x AS (INSERT INTO log VALUES (1) RETURNING *) SELECT * FROM x, buyer",
            {"log"},
        ),
        ("postgresql", MERGE, {"event"}),
        ("postgresql", "DELETE FROM event USING buyer, log WHERE true", {"event"}),
        ("sqlite", "REPLACE INTO event (id) VALUES (%s)", {"event"}),
        ("sqlite", "INSERT OR IGNORE INTO event (id) VALUES (%s)", {"event"}),
        ("sqlite", "UPDATE OR REPLACE event SET a = 1 WHERE replace(a, 'x', 'y') = 'z'", {"event"}),
    ],
)
def test_a_dialects_own_writes_are_found(vendor: str, sql: str, writes: set[str]) -> None:
    footprint = analyse(sql, schema(vendor))
    assert footprint.writes == writes
    assert not footprint.writes_unknown


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DELETE FROM event",
        "BEGIN; DELETE FROM event; COMMIT",
        "CALL do_something()",
        "DO $$ BEGIN DELETE FROM event; END $$",
        "EXECUTE prepared",
        "TRUNCATE event CASCADE",
        "COPY event FROM STDIN",
        "SELECT * INTO copy FROM event",
        "CREATE TABLE copy AS SELECT * FROM event",
        "ALTER TABLE event ADD COLUMN x int",
        "DROP TABLE event",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM event",
        "EXPLAIN (ANALYZE, FORMAT JSON) UPDATE event SET a = 1",
        "COMMIT PREPARED 'x'",
        "REFRESH MATERIALIZED VIEW v",
        "PREPARE x AS DELETE FROM event",
        "SELECT 'unbalanced FROM event",
        'SELECT "unbalanced FROM event',
        "SELECT (1 FROM event",
        "SELECT 1) FROM event",
        "SELECT /* /* */ 1",
        "SELECT $x$ 1 $x$",
        "SELECT 'a\\' || 'b'",
        'SELECT * FROM U&"d\\0061t\\+000061"',
        "gibberish",
        "INSERT event VALUES (1)",
        "UPDATE unheard_of SET a = 1",
        "DELETE FROM unheard_of",
        "SELECT event. /* */ unheard_of",
    ],
)
def test_what_is_not_understood_may_have_changed_everything(sql: str) -> None:
    for vendor in ("postgresql", "mysql"):
        assert analyse(sql, schema(vendor)).writes_unknown, vendor


def test_a_name_that_postgresql_cuts_may_be_any_table() -> None:
    assert analyse(f"SELECT * FROM {'x' * 64}", schema("postgresql")).writes_unknown


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (a int)",
        "CREATE TABLE index (a int)",
        "ALTER TABLE event ADD x int",
        "DROP VIEW v",
        "DO $$ x $$",
        "ATTACH 'x' AS y",
        "CALL x()",
        "SELECT * INTO x FROM event",
        "SELECT 1; CREATE TABLE x (a int)",
        "CREATE TRIGGER x",
    ],
)
def test_what_may_change_the_schema_says_so(sql: str) -> None:
    assert analyse(sql, schema("postgresql")).changes_schema


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT;",
        'SAVEPOINT "s1"',
        'RELEASE SAVEPOINT "s1"',
        "ROLLBACK",
        'ROLLBACK TO SAVEPOINT "s1"',
        "-- nothing",
        "START TRANSACTION",
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_transaction_control_touches_nothing(sql: str, vendor: str) -> None:
    footprint = analyse(sql, schema(vendor))
    assert footprint.controls
    assert not footprint.at_large.is_read
    assert not footprint.at_large.is_write


@pytest.mark.parametrize(
    ("vendor", "sql"),
    [
        ("sqlite", "PRAGMA foreign_keys = ON"),
        ("sqlite", "CREATE UNIQUE INDEX i ON event (a)"),
        ("postgresql", "SET search_path TO tenant, public"),
        ("postgresql", "SHOW server_version"),
        ("postgresql", "VACUUM (ANALYZE) event"),
        ("postgresql", "LOCK TABLE event IN EXCLUSIVE MODE"),
        ("postgresql", "SET CONSTRAINTS ALL IMMEDIATE"),
        ("postgresql", "DROP INDEX CONCURRENTLY i"),
    ],
)
def test_configuration_touches_nothing(vendor: str, sql: str) -> None:
    assert analyse(sql, schema(vendor)).controls


def test_pragmas_that_look_at_rows_or_change_the_catalog_are_no_configuration() -> None:
    assert analyse("PRAGMA foreign_key_check", schema()).reads_unknown
    assert analyse('PRAGMA main."writable_schema" = 1', schema()).writes_unknown


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT volatile()",
        "SELECT Volatile (1) FROM event",
        'SELECT "volatile"(1)',
        "SELECT public.volatile()",
        "SELECT * FROM volatile()",
        "SELECT e.volatile FROM event e",
        "SELECT * FROM event JOIN volatile(1) v ON 1=1",
        "SELECT unheard_of(1)",
        "SELECT query_to_xml('DELETE FROM event')",
        "INSERT INTO log SELECT unheard_of()",
        "SELECT * FROM event AS x (a), unheard_of(a)",
    ],
)
def test_a_function_not_known_to_be_harmless_may_change_everything(sql: str) -> None:
    with_function = schema("postgresql", acting=frozenset({"volatile", "query_to_xml"}))
    assert analyse(sql, with_function).writes_unknown


def test_a_stable_function_reads_anything_and_writes_nothing() -> None:
    footprint = analyse(
        "SELECT stable(1) FROM event", schema("postgresql", readers=frozenset({"stable"}))
    )
    assert footprint.reads_unknown
    assert not footprint.writes_unknown


def test_an_unknown_table_after_using_is_a_read_of_anything() -> None:
    assert analyse("DELETE FROM event USING unheard_of", schema("postgresql")).reads_unknown
    assert analyse(
        "DELETE FROM event USING log, (buyer JOIN unheard_of ON true)", schema("postgresql")
    ).reads_unknown


def test_all_functions_of_sqlite_are_harmless() -> None:
    assert not read("SELECT unheard_of(1), replace(a, 'b', 'c') FROM event").reads_unknown


def test_of_other_databases_any_write_may_have_triggers_and_any_unmanaged_table_may_be_a_view() -> (
    None
):
    unasked = schema("mysql", is_complete=False, views={"log": None})
    assert analyse("UPDATE event SET a = 1", unasked).writes_unknown
    assert analyse("SELECT * FROM log", unasked).reads_unknown
    assert analyse("SELECT * FROM `event` STRAIGHT_JOIN unheard_of", unasked).reads_unknown
    assert not analyse("SELECT count(*) FROM `event`", unasked).reads_unknown
    for doubtful in (
        "SELECT 5--3 FROM event",
        "SELECT 1 # x\n FROM event",
        "SELECT 'a\\'",
        "SELECT /*! 1 */ 2",
    ):
        assert analyse(doubtful, unasked).writes_unknown, doubtful


def test_what_a_driver_may_send_besides_text_is_understood_or_counts_as_anything() -> None:
    class Composed:
        def as_string(self, context: object) -> str:
            return "SELECT * FROM event"

    class NeedsConnection:
        def as_string(self, context: object) -> str:
            raise TypeError

    assert analyse(b"SELECT * FROM event", schema()).reads == {"event"}
    assert analyse(Composed(), schema()).reads == {"event"}
    for unknown in (NeedsConnection(), None, 5, b"\xff", ["SELECT 1"]):
        assert analyse(unknown, schema()).writes_unknown


def test_psycopgs_own_composed_statements_are_understood() -> None:
    from psycopg import sql

    query = sql.SQL("SELECT * FROM {} WHERE id = {}").format(
        sql.Identifier("event"), sql.Placeholder()
    )
    touched = bind(analyse(query, schema("postgresql")), [7], many=False)
    assert touched.read_rows == {"event": {"7"}}


def test_footprints_are_remembered_within_bounds() -> None:
    known = schema()
    first = analyse("SELECT * FROM event", known)
    assert analyse("SELECT * FROM event", known) is first
    for number in range(2000):
        analyse(f"SELECT {number} AS {'x' * 5000}", known)
    assert sum(map(len, known.memo.known)) <= 4_000_000
    analyse("SELECT 1 -- " + "x" * 1_000_000, known)
    assert max(map(len, known.memo.known)) < 1_000_000


def test_a_statement_too_long_to_look_at_may_do_anything() -> None:
    assert analyse(f"SELECT 1 -- {'x' * 2_000_000}", schema()).writes_unknown


def test_names_fold_as_databases_fold_them() -> None:
    assert fold("SeLeCt Ä \u212a") == "select Ä \u212a"
    assert bare_name('"Public"."Event"') == "event"
    assert bare_name("Odd. name") == "odd. name"
    assert parts('"a""b" . [c.d]') == ('a"b', "c.d")


PIECES = st.sampled_from(
    """
    SELECT FROM WHERE event unheard_of ( ) , ; ' " ` [ ] . %s %% ? $1 $$ -- /* */ \\ IN WITH x AS JOIN
    INSERT INTO UPDATE SET DELETE VALUES UNION id = 5 AND OR NOT CASE END BETWEEN RETURNING ON CONFLICT
    DO USING MERGE TABLE REPLACE OR FOR e' u&" EXPLAIN PRAGMA lower( \x00 \ud800 ıK :x @y #z 1.5e3 .
    """.split(" ")
)
TEXTS = st.one_of(st.text(), st.lists(PIECES).map(" ".join), st.lists(PIECES).map("".join))


@given(text=TEXTS, vendor=st.sampled_from(VENDORS))
@example(text="(" * 5000, vendor="sqlite")
@example(
    text="SELECT * FROM event WHERE " + "(" * 3000 + "id = %s" + ")" * 3000, vendor="postgresql"
)
@example(text="WITH", vendor="sqlite")
@example(text="INSERT INTO event (", vendor="sqlite")
@example(text="DELETE FROM event WHERE id = " + "9" * 5000, vendor="sqlite")
def test_no_text_is_beyond_analysis(text: str, vendor: str) -> None:
    for known in (schema(vendor), Schema(vendor)):
        footprint = understand(text, known)
        bind(footprint, (5,), many=False)
        bind(footprint, [(5,)], many=True)


@given(text=TEXTS, cut=st.integers(0, 200), vendor=st.sampled_from(VENDORS))
def test_tokens_are_exact_pieces_of_their_text(text: str, cut: int, vendor: str) -> None:
    tokens = tokenise(fold(text)[:cut], vendor)
    at = 0
    for token in tokens or ():
        at = fold(text).index(token, at) + len(token)


@given(st.data())
def test_a_cut_statement_is_understood_as_no_less_than_a_read_of_its_tables(
    data: st.DataObject,
) -> None:
    whole = (
        "SELECT a FROM event, buyer WHERE event.id = %s AND x IN (SELECT id FROM log) ORDER BY a"
    )
    text = whole[: data.draw(st.integers(0, len(whole)))]
    footprint = understand(text, schema())
    named = {name for name in ("event", "buyer", "log") if f"{name} " in text or f"{name}," in text}
    assert footprint.reads_unknown or named <= footprint.at_large.reads
