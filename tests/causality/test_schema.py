"""What models and databases say of themselves, and what is made of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.apps import apps
from django.db import connection as default_connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.causality.footprint import Footprint, analyse, bind
from nothing_shared.causality.schema import (
    Schema,
    Schemas,
    TableInfo,
    forget,
    from_models,
    schema_for,
)
from nothing_shared.clock import SECOND
from tests.causality.databases import connected, run
from tests.servers import PostgreSQLServer

IN_MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


# Models


def test_models_tell_their_tables_and_the_keys_that_pin_rows() -> None:
    tables = from_models("sqlite", apps).tables
    assert tables["shop_book"] == TableInfo("id", "int", is_auto=True)
    assert tables["shop_book_tags"] == TableInfo("id", "int", is_auto=True)
    assert tables["shop_review"] == TableInfo("id", "uuid")
    assert tables["shop_bar"] == TableInfo("restaurant_ptr_id", "int")
    assert tables["shop_country"] == TableInfo()
    assert tables["shop_quoted"].pk == tables["shop. odd 'name'; -- from"].pk == "id"
    assert "shop_novel" not in tables


def test_what_only_models_say_is_not_complete() -> None:
    schema = from_models("postgresql", apps)
    assert not schema.is_complete
    assert analyse("UPDATE shop_book SET pages = 1", schema).writes_unknown
    assert analyse("SELECT * FROM shop_author_statistics", schema).reads_unknown, "it may be a view"
    assert not analyse("SELECT count(*) FROM shop_book", schema).reads_unknown


def test_deletes_that_the_database_carries_on_are_known_from_models() -> None:
    expected = {"shop_book": {"shop_copy"}} if django.VERSION >= (6, 1) else {}
    assert from_models("sqlite", apps).cascades == expected


# SQLite


@pytest.fixture
def sqlite(django_db_blocker: DjangoDbBlocker) -> Iterator[BaseDatabaseWrapper]:
    with django_db_blocker.unblock(), connected("facts_sqlite", IN_MEMORY) as connection:
        yield connection


def footprint(connection: BaseDatabaseWrapper, script: str, sql: str) -> Footprint:
    """Return the footprint of a statement on a database after a script."""
    run(connection, script)
    return analyse(sql, Schemas().of(connection))


TABLES = "CREATE TABLE a (id integer PRIMARY KEY, x int); CREATE TABLE b (id integer PRIMARY KEY, x int);"


@pytest.mark.parametrize(
    ("script", "reads"),
    [
        ("CREATE VIEW v AS SELECT a.x FROM a", {"v", "a"}),
        (
            "CREATE VIEW w AS SELECT * FROM a; CREATE VIEW v (y) AS SELECT x FROM w, b",
            {"v", "w", "a", "b"},
        ),
        ("CREATE TEMP VIEW v AS WITH c AS (SELECT * FROM a) SELECT * FROM c", {"v", "a"}),
        (
            'CREATE VIEW "V" AS SELECT \'as\' AS "as" FROM "A" WHERE x IN (SELECT x FROM [b])',
            {"v", "a", "b"},
        ),
        ("CREATE VIRTUAL TABLE v USING fts5 (x, content='a')", {"v", "a"}),
        ("CREATE VIRTUAL TABLE v USING fts5(x)", {"v"}),
    ],
)
def test_a_view_of_sqlite_reads_what_it_shows(
    sqlite: BaseDatabaseWrapper, script: str, reads: set[str]
) -> None:
    seen = footprint(sqlite, TABLES + script, "SELECT * FROM v")
    assert seen.reads == reads
    assert not seen.reads_unknown


@pytest.mark.parametrize(
    "script",
    [
        "CREATE VIEW v AS SELECT name FROM sqlite_master",
        "CREATE VIRTUAL TABLE v USING dbstat",
        "CREATE VIEW w AS SELECT * FROM pragma_table_info('a'); CREATE VIEW v AS SELECT * FROM w",
    ],
)
def test_a_view_of_sqlite_of_nobody_knows_what_reads_anything(
    sqlite: BaseDatabaseWrapper, script: str
) -> None:
    assert footprint(sqlite, TABLES + script, "SELECT * FROM v").reads_unknown


TRIGGER = "CREATE TRIGGER t AFTER UPDATE ON a BEGIN {} END;"
SECOND_TRIGGER = """
CREATE TABLE c (x);
CREATE TRIGGER u DELETE ON b BEGIN REPLACE INTO c VALUES (1); END;
"""
INSTEAD = """
CREATE VIEW v AS SELECT * FROM a;
CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN INSERT INTO b VALUES (new.id, 1); END;
"""
CHAIN = """
CREATE TABLE c (x REFERENCES a ON DELETE CASCADE);
CREATE TABLE d (x REFERENCES C(x) ON DELETE SET NULL);
"""
REPLACING = """
CREATE TABLE c (x UNIQUE ON CONFLICT REPLACE);
CREATE TABLE d (x REFERENCES c(x) ON DELETE CASCADE);
"""


@pytest.mark.parametrize(
    ("script", "sql", "writes"),
    [
        (TRIGGER.format("INSERT INTO b (x) SELECT 1;"), "UPDATE a SET x = 1", {"a", "b"}),
        (
            TRIGGER.format("UPDATE b SET x = CASE WHEN x THEN 1 END; SELECT 1;"),
            "UPDATE a SET x = 1",
            {"a", "b"},
        ),
        (
            TRIGGER.format("UPDATE a SET x = 2 WHERE id = new.id;"),
            "UPDATE a SET x = 1 WHERE id = 3",
            {"a"},
        ),
        (TRIGGER.format("DELETE FROM b;") + SECOND_TRIGGER, "UPDATE a SET x = 1", {"a", "b", "c"}),
        (INSTEAD, "INSERT INTO v VALUES (1, 2)", {"a", "b", "v"}),
        (CHAIN, "DELETE FROM a", {"a", "c", "d"}),
        ("CREATE TABLE c (x REFERENCES a ON DELETE CASCADE)", "UPDATE a SET x = 1", {"a"}),
        ("CREATE TABLE c (x REFERENCES a ON UPDATE CASCADE)", "UPDATE a SET x = 1", {"a", "c"}),
        ("CREATE TABLE c (x REFERENCES a ON DELETE RESTRICT)", "DELETE FROM a", {"a"}),
        (REPLACING, "INSERT INTO c VALUES (1)", {"c", "d"}),
    ],
)
def test_triggers_and_cascades_of_sqlite_write_what_they_say(
    sqlite: BaseDatabaseWrapper, script: str, sql: str, writes: set[str]
) -> None:
    seen = footprint(sqlite, TABLES + script, sql)
    assert seen.writes == writes
    assert not seen.writes_unknown


def test_tables_that_sqlite_writes_by_itself_are_not_known(sqlite: BaseDatabaseWrapper) -> None:
    script = "CREATE TABLE c (id integer PRIMARY KEY AUTOINCREMENT)"
    assert footprint(sqlite, script, "SELECT * FROM sqlite_sequence").reads_unknown


def test_an_attached_database_is_asked_too(sqlite: BaseDatabaseWrapper) -> None:
    script = (
        "ATTACH ':memory:' AS more; CREATE TABLE more.c (x); CREATE VIEW more.v AS SELECT * FROM c;"
    )
    assert footprint(sqlite, script, "SELECT * FROM more.v").reads == {"v", "c"}


# PostgreSQL

FACTS = """
CREATE TABLE a (id bigint PRIMARY KEY, x int);
CREATE TABLE b (id bigint PRIMARY KEY, x int);
CREATE TABLE plain (id bigint PRIMARY KEY, x int);
CREATE VIEW v AS SELECT a.x, lower('A') FROM a JOIN b USING (id) WHERE b.x IS DISTINCT FROM 3;
CREATE VIEW of_v AS SELECT count(*) FROM v;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM a;

CREATE FUNCTION f_immutable(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION f_stable() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM b';
CREATE FUNCTION f_volatile() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM b; RETURN 1; END $$;
CREATE FUNCTION of_a(a) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM b';
CREATE FUNCTION f_either(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION f_either(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM b; RETURN 1; END $$;
CREATE AGGREGATE g_immutable (int) (sfunc = int4pl, stype = int);
CREATE FUNCTION step(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM b; RETURN 1; END $$;
CREATE AGGREGATE g_volatile (int) (sfunc = step, stype = int);
CREATE VIEW acting AS SELECT f_volatile() FROM a;
CREATE VIEW of_acting AS SELECT * FROM acting;
CREATE VIEW reading AS SELECT f_stable() FROM a;

CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN INSERT INTO b VALUES (1); RETURN NEW; END $$;
CREATE TABLE triggered (id bigint PRIMARY KEY, x int);
CREATE TRIGGER t AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE tame (id bigint PRIMARY KEY, x int);
CREATE TRIGGER t BEFORE UPDATE ON tame FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TABLE ruled (x int);
CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO b VALUES (1);
CREATE TABLE defaulting (x int DEFAULT f_volatile(), y timestamp DEFAULT now());

CREATE TABLE child (x bigint REFERENCES a ON DELETE CASCADE);
CREATE TABLE moved (x bigint REFERENCES plain ON UPDATE CASCADE);

CREATE TABLE policed (id bigint PRIMARY KEY, x int);
ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON policed USING (EXISTS (SELECT 1 FROM b WHERE b.x = policed.x));

CREATE TABLE parted (id bigint, x int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10) PARTITION BY LIST (x);
CREATE TABLE particle PARTITION OF part DEFAULT;
CREATE TABLE wild PARTITION OF parted FOR VALUES FROM (10) TO (20);
CREATE TABLE parted_too (id bigint, x int) PARTITION BY RANGE (id);
CREATE TABLE part_too PARTITION OF parted_too DEFAULT;
CREATE TRIGGER t AFTER INSERT ON part_too FOR EACH ROW EXECUTE FUNCTION note();

CREATE EXTENSION pg_trgm;
CREATE EXTENSION dblink;
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE abroad (x text) SERVER files OPTIONS (filename '/dev/null');
CREATE SCHEMA other;
CREATE TABLE other."Mixed Case" (x int);
"""


@pytest.fixture(scope="module")
def facts(
    postgres: PostgreSQLServer, django_db_blocker: DjangoDbBlocker
) -> Iterator[BaseDatabaseWrapper]:
    with django_db_blocker.unblock(), connected("facts_base", postgres.settings()) as base:
        run(base, "CREATE DATABASE facts")
        with connected("facts", postgres.settings("facts")) as connection:
            run(connection, FACTS)
            yield connection
        run(base, "DROP DATABASE facts")


@pytest.fixture(scope="module")
def facts_schema(facts: BaseDatabaseWrapper) -> Schema:
    schema = Schemas().of(facts)
    assert schema.is_complete
    return schema


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT * FROM v", {"v", "a", "b"}),
        ("SELECT * FROM of_v", {"of_v", "v", "a", "b"}),
        ("SELECT * FROM kept", {"kept"}),
        ("SELECT f_immutable(1), g_immutable(x), similarity('a', 'b') FROM a", {"a"}),
        (
            "SELECT coalesce(max(x), 1), EXTRACT(YEAR FROM now()), random(), nextval('s') FROM a",
            {"a"},
        ),
        ("SELECT * FROM policed", {"policed", "b"}),
        ("SELECT * FROM particle", {"particle", "part", "parted"}),
        ("SELECT * FROM parted", {"parted"}),
        ('SELECT * FROM other."Mixed Case"', {"mixed case"}),
    ],
)
def test_a_relation_of_postgresql_reads_what_it_shows(
    facts_schema: Schema, sql: str, reads: set[str]
) -> None:
    seen = analyse(sql, facts_schema)
    assert seen.reads == reads
    assert not seen.reads_unknown
    assert not seen.writes_unknown


@pytest.mark.parametrize(
    ("sql", "acts"),
    [
        ("SELECT f_stable()", False),
        ("SELECT * FROM reading", False),
        ("SELECT a.of_a FROM a", False),
        ("SELECT pg_total_relation_size('a')", False),
        ("SELECT * FROM abroad", False),
        ("SELECT * FROM pg_stat_user_tables", False),
        ("SELECT * FROM information_schema.tables", False),
        ("SELECT f_volatile()", True),
        ("SELECT f_either(1)", True),
        ("SELECT g_volatile(x) FROM a", True),
        ("SELECT * FROM acting", True),
        ("SELECT * FROM of_acting", True),
        ("SELECT * FROM dblink('', 'DELETE FROM b') AS t (x int)", True),
        ("SELECT query_to_xml('DELETE FROM b', true, true, '')", True),
        ("SELECT lo_unlink(1)", True),
        ("SELECT created_since()", True),
    ],
)
def test_what_postgresql_does_not_show_counts_as_anything(
    facts_schema: Schema, sql: str, acts: bool
) -> None:
    seen = analyse(sql, facts_schema)
    assert seen.reads_unknown
    assert seen.writes_unknown == acts


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("UPDATE tame SET x = 1", {"tame"}),
        ("DELETE FROM a", {"a", "child"}),
        ("UPDATE a SET x = 1", {"a"}),
        ("UPDATE plain SET x = 1", {"plain", "moved"}),
        ("INSERT INTO particle VALUES (1, 1)", {"particle", "part", "parted"}),
        ("INSERT INTO parted VALUES (1, 1)", {"parted"}),
        ("INSERT INTO policed VALUES (1, 1)", {"policed"}),
    ],
)
def test_writes_of_postgresql_reach_what_the_catalog_says(
    facts_schema: Schema, sql: str, writes: set[str]
) -> None:
    seen = analyse(sql, facts_schema)
    assert seen.writes == writes
    assert not seen.writes_unknown


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO triggered VALUES (1, 1)",
        "INSERT INTO ruled VALUES (1)",
        "INSERT INTO defaulting VALUES (1)",
        "INSERT INTO parted_too VALUES (1, 1)",
        "INSERT INTO part_too VALUES (1, 1)",
        "UPDATE acting SET x = 1",
    ],
)
def test_a_trigger_a_rule_or_a_default_of_postgresql_may_write_everything(
    facts_schema: Schema, sql: str
) -> None:
    assert analyse(sql, facts_schema).writes_unknown


def test_an_update_through_a_view_writes_the_tables_under_it(facts_schema: Schema) -> None:
    assert analyse("UPDATE v SET x = 1", facts_schema).writes == {"v", "a", "b"}


def test_partitions_and_policed_tables_are_read_at_large(facts_schema: Schema) -> None:
    for table in ("policed", "particle"):
        touched = bind(
            analyse(f"SELECT * FROM {table} WHERE id = %s", facts_schema), (1,), many=False
        )
        assert table in touched.reads


# Asking


def test_the_database_is_asked_once_and_again_when_forgotten(sqlite: BaseDatabaseWrapper) -> None:
    schemas = Schemas()
    first = schemas.of(sqlite)
    assert schemas.of(sqlite) is first
    schemas.forget("elsewhere")
    assert schemas.of(sqlite) is first
    run(sqlite, "CREATE TABLE a (x)")
    schemas.forget(sqlite.alias)
    assert "a" in schemas.of(sqlite).tables


def test_an_answer_is_not_believed_once_another_process_has_changed_the_schema(
    sqlite: BaseDatabaseWrapper,
) -> None:
    now = [5]
    schemas = Schemas(clock=lambda: now[0])
    first = schemas.of(sqlite)
    assert schemas.of(sqlite, 4) is first
    now[0] = 7
    second = schemas.of(sqlite, 5)
    assert second is not first
    assert schemas.of(sqlite, 6) is second


def test_two_databases_of_one_alias_are_told_apart(sqlite: BaseDatabaseWrapper) -> None:
    schemas = Schemas()
    first = schemas.of(sqlite)
    sqlite.settings_dict["NAME"] = "file:other?mode=memory"
    assert schemas.of(sqlite) is not first


def test_nobody_hears_that_the_database_is_asked(
    sqlite: BaseDatabaseWrapper, facts: BaseDatabaseWrapper
) -> None:
    heard: list[str] = []

    def hear(execute: Any, sql: str, *others: Any) -> Any:
        heard.append(sql)
        return execute(sql, *others)

    for connection in (sqlite, facts):
        with CaptureQueriesContext(connection) as queries, connection.execute_wrapper(hear):
            assert Schemas().of(connection).is_complete
        assert not heard
        assert not queries.captured_queries


def test_a_transaction_is_not_disturbed_and_counts_as_unknown_meanwhile(
    sqlite: BaseDatabaseWrapper, facts: BaseDatabaseWrapper
) -> None:
    for connection in (sqlite, facts):
        schemas = Schemas()
        with transaction.atomic(using=connection.alias):
            connection.cursor().execute("SELECT 1").close()
            inside = schemas.of(connection)
            assert not inside.is_complete
            assert schemas.of(connection) is inside
        assert schemas.of(connection).is_complete


def test_a_transaction_that_has_sent_nothing_yet_can_ask_and_stays_new(
    facts: BaseDatabaseWrapper,
) -> None:
    with transaction.atomic(using=facts.alias):
        assert Schemas().of(facts).is_complete
        assert facts.connection.info.transaction_status == 0


def test_a_connection_that_is_not_open_is_not_opened(sqlite: BaseDatabaseWrapper) -> None:
    schemas = Schemas()
    BaseDatabaseWrapper.close(sqlite)
    assert not schemas.of(sqlite).is_complete
    assert sqlite.connection is None


def test_a_catalog_that_cannot_be_read_counts_as_unknown_and_is_not_asked_all_the_time(
    sqlite: BaseDatabaseWrapper, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1]
    schemas = Schemas(clock=lambda: now[0])
    sqlite.connection.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
    assert analyse("UPDATE shop_book SET pages = 1", schemas.of(sqlite)).writes_unknown
    assert not schemas.of(sqlite).is_complete
    assert len(caplog.records) == 1
    sqlite.connection.set_authorizer(None)
    assert not schemas.of(sqlite).is_complete
    now[0] += 10 * SECOND
    assert schemas.of(sqlite).is_complete


def test_an_answer_from_before_a_change_is_not_kept(sqlite: BaseDatabaseWrapper) -> None:
    schemas = Schemas()
    sqlite.connection.set_trace_callback(lambda _: schemas.forget())
    first = schemas.of(sqlite)
    sqlite.connection.set_trace_callback(None)
    assert first.is_complete
    assert schemas.of(sqlite) is not first


@pytest.mark.django_db
def test_the_schema_of_this_process_follows_its_migrations() -> None:
    forget()
    assert "shop_book" in schema_for(default_connection).tables
