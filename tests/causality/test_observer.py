"""Every write is heard exactly when it may have become true, whatever becomes of its transaction."""

from __future__ import annotations

import contextlib
import contextvars
import os
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.test import TestCase

from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.pending import settle_all
from nothing_shared.causality.scopes import begin, current, scope
from nothing_shared.node import process, slots
from tests.causality.shop.models import Author, Tag
from tests.causality.sites import Ear, connected, elsewhere, make_tables
from tests.wait import wait_until

ON_SQLITE = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("site", ["postgresql"], indirect=True)


class Interrupted(BaseException):
    """As SystemExit from a signal handler, which may come anywhere."""


def rename(alias: str, pk: int, name: str) -> None:
    Author.objects.using(alias).filter(pk=pk).update(name=name)


def name_of(alias: str, pk: int) -> str:
    return Author.objects.using(alias).get(pk=pk).name


def settled(node: process.Node) -> bool:
    """Say whether nothing is left to the agent."""
    return node.intents.standing() == 0


# When a write is heard ----------------------------------------------------------------------------


def test_an_autocommit_write_is_heard_at_once(site: str, node: process.Node) -> None:
    ear = Ear()
    rename(site, 1, "Le Guin")
    assert ear.heard(1)
    assert settled(node)
    assert len(current().changes) == 1


def test_a_write_by_primary_key_says_nothing_of_other_rows(site: str) -> None:
    ear = Ear()
    rename(site, 1, "Le Guin")
    assert not ear.heard(2)


def test_an_insert_says_nothing_of_rows_that_were_there(site: str) -> None:
    ear = Ear()
    with transaction.atomic(using=site):
        Author.objects.using(site).create(name="Joanna")
    Author.objects.using(site).create(name="Angela")
    assert not ear.heard(1, 2)
    assert ear.heard() is False, "asked twice, said once"


def test_a_transaction_is_heard_when_it_commits_and_not_before(
    site: str, node: process.Node
) -> None:
    ear = Ear()
    with transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        assert not ear.heard(1)
        assert node.intents.standing() == 1
    assert ear.heard(1)
    assert settled(node)


def test_a_durable_block_is_heard_like_any_other(site: str) -> None:
    ear = Ear()
    with transaction.atomic(using=site, durable=True):
        rename(site, 1, "Le Guin")
    assert ear.heard(1)


def test_what_is_rolled_back_is_not_heard(site: str, node: process.Node) -> None:
    ear = Ear()
    with pytest.raises(KeyError), transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        raise KeyError
    settle_all()
    assert not ear.heard(1)
    assert settled(node)
    assert not current().changes


def test_a_first_write_in_a_rolled_back_savepoint_doesnt_hide_the_second(site: str) -> None:
    ear = Ear()
    with transaction.atomic(using=site):
        with contextlib.suppress(KeyError), transaction.atomic(using=site):
            rename(site, 2, "Butler")
            raise KeyError
        rename(site, 1, "Le Guin")
    assert ear.heard(1)


def test_a_write_in_a_nested_savepoint_is_heard_when_the_outermost_block_commits(
    site: str,
) -> None:
    ear = Ear()
    with transaction.atomic(using=site):
        with transaction.atomic(using=site), transaction.atomic(using=site):
            rename(site, 1, "Le Guin")
        assert not ear.heard(1)
    assert ear.heard(1)


def test_an_earlier_hook_that_raises_doesnt_hide_the_commit(site: str) -> None:
    def fail() -> None:
        raise ValueError("an earlier hook")

    ear = Ear()
    with pytest.raises(ValueError, match="earlier"), transaction.atomic(using=site):
        transaction.on_commit(fail, using=site)
        rename(site, 1, "Le Guin")
    assert ear.heard(1)


def test_hooks_find_the_change_heard_already(site: str) -> None:
    heard: list[bool] = []
    ear = Ear()
    with transaction.atomic(using=site):
        transaction.on_commit(lambda: heard.append(ear.heard(1)), using=site)
        rename(site, 1, "Le Guin")
    assert heard == [True]


def test_a_statement_that_raises_is_heard_in_autocommit(site: str, node: process.Node) -> None:
    ear = Ear()
    with pytest.raises(IntegrityError):
        Author.objects.using(site).create(pk=1, name="Ursula again")
    assert ear.heard(1)
    assert settled(node)


def test_the_rows_of_a_failed_executemany_are_heard(site: str) -> None:
    """On SQLite those before the failure stand."""
    ear = Ear()
    statement = 'INSERT INTO "shop_author" ("id", "name") VALUES (%s, %s)'
    with connections[site].cursor() as cursor, pytest.raises(IntegrityError):
        cursor.executemany(statement, [(7, "a"), (8, "b"), (1, "c")])
    assert ear.heard(7)


def test_raw_sql_is_heard(site: str) -> None:
    ear = Ear()
    with connections[site].cursor() as cursor:
        cursor.execute("update SHOP_AUTHOR set name = 'x' where id = 1")
    assert ear.heard(1)


@ON_SQLITE
def test_databases_commit_each_for_itself(site: str, node: process.Node, tmp_path: Path) -> None:
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "other.sqlite3"}
    with connected(settings, alias="other site") as other:
        make_tables(other)
        ear, tag = Ear(), node.table.index(slots.table(other, "shop_tag"))
        before = node.table.changed[tag]
        with pytest.raises(KeyError), transaction.atomic(using=site):
            rename(site, 1, "Le Guin")
            with transaction.atomic(using=other):
                Tag.objects.using(other).create(name="a")
            raise KeyError
        settle_all()
        assert not ear.heard(1)
        assert node.table.changed[tag] > before


# What is unusual about a transaction --------------------------------------------------------------


def test_in_manual_mode_a_write_is_heard_at_once_and_again_once_it_is_over(
    site: str, node: process.Node
) -> None:
    transaction.set_autocommit(False, using=site)
    ear = Ear()
    rename(site, 1, "Le Guin")
    assert ear.heard(1)
    assert node.intents.standing() == 1, "the COMMIT is yet to come: the agent repeats it"
    transaction.commit(using=site)
    settle_all()
    assert ear.heard(1), "a fill from between the write and its commit is old"
    assert settled(node)
    transaction.set_autocommit(True, using=site)


def test_in_manual_mode_many_writes_take_one_intent(site: str, node: process.Node) -> None:
    transaction.set_autocommit(False, using=site)
    for number in range(50):
        rename(site, 1, f"Le Guin {number}")
    assert node.intents.standing() == 1
    transaction.rollback(using=site)
    transaction.set_autocommit(True, using=site)
    settle_all()
    assert settled(node)


def test_a_block_in_manual_mode_commits_nothing_and_is_heard_all_the_same(
    site: str, node: process.Node
) -> None:
    transaction.set_autocommit(False, using=site)
    ear = Ear()
    with transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
    assert len(current().changes) == 1, "its client's ticket says so"
    assert ear.heard(1)
    transaction.commit(using=site)
    settle_all()
    assert ear.heard(1)
    assert settled(node)
    transaction.set_autocommit(True, using=site)


def get_or_set(cache: MachineCache, site: str) -> str:
    return str(cache.get_or_set("name", lambda: name_of(site, 1), 600))


def get_and_set(cache: MachineCache, site: str) -> str:
    name = cache.get("name")
    if name is None:
        name = name_of(site, 1)
        cache.set("name", name, 600)
    return str(name)


@pytest.mark.parametrize("fill", [get_or_set, get_and_set])
@pytest.mark.parametrize("in_block", [False, True])
def test_what_manual_mode_shows_is_never_kept(
    site: str, cache: MachineCache, in_block: bool, fill: Callable[[MachineCache, str], str]
) -> None:
    transaction.set_autocommit(False, using=site)
    assert name_of(site, 1) == "Ursula"  # SQLite's snapshot is taken here
    elsewhere(lambda: rename(site, 1, "Le Guin"))
    begin()
    with transaction.atomic(using=site) if in_block else contextlib.nullcontext():
        fill(cache, site)
    transaction.rollback(using=site)
    transaction.set_autocommit(True, using=site)
    assert elsewhere(lambda: fill(cache, site)) == "Le Guin"


def test_a_value_of_many_that_were_missed_together_is_forgotten_with_its_row(
    site: str, cache: MachineCache
) -> None:
    begin()
    names = [f"name-{number}" for number in range(1_500)]
    assert not cache.get_many(names)
    cache.set_many(dict.fromkeys(names, name_of(site, 1)))
    elsewhere(lambda: rename(site, 1, "Le Guin"))
    begin()
    assert not cache.get_many([names[0], names[-1]])


def test_a_block_interrupted_in_its_commit_is_heard_at_the_next_look(
    site: str, node: process.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SystemExit from a signal handler: committed, and no hook has run."""
    connection, commit = connections[site], connections[site]._commit

    def interrupted() -> None:
        commit()
        raise Interrupted

    ear = Ear()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", interrupted)
        with pytest.raises(Interrupted), transaction.atomic(using=site):
            rename(site, 1, "Le Guin")
    settle_all()
    assert ear.heard(1)
    assert settled(node)
    with transaction.atomic(using=site):
        rename(site, 2, "Butler")
    assert ear.heard(2)
    assert settled(node)
    claimed = [node.intents.claim() for _ in range(3)]
    assert len(set(map(id, claimed))) == 3, "each intent is there once"


def test_what_a_closed_connection_had_written_counts_as_committed_until_its_session_ends(
    site: str, node: process.Node
) -> None:
    ear = Ear()
    with pytest.raises(KeyError), transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        connections[site].close()
        raise KeyError
    settle_all()
    assert ear.heard(1)
    wait_until(lambda: settled(node), what="the agent to bury the intent")


def test_a_connection_that_breaks_at_the_commit_may_have_committed(
    site: str, node: process.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, commit = connections[site], connections[site]._commit

    def lost() -> None:
        commit()
        connection.connection.close()
        raise DatabaseError("the connection is lost")

    ear = Ear()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", lost)
        with pytest.raises(DatabaseError), transaction.atomic(using=site):
            rename(site, 1, "Le Guin")
    settle_all()
    assert ear.heard(1)


def test_a_child_forked_in_a_transaction_leaves_its_parents_intent_alone(
    site: str, node: process.Node
) -> None:
    with transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        child = forked(lambda: (setattr(connections[site], "connection", None), settle_all()))
        assert child == 0
        assert node.intents.standing() == 1


def forked(act: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this process has threads, and the child knows
        pid = os.fork()
    if not pid:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# What a transaction sees and shows ----------------------------------------------------------------


@pytest.mark.parametrize("reads", ["a row", "nobody knows what"])
def test_what_a_transaction_has_written_is_not_kept_before_it_commits(
    site: str, cache: MachineCache, reads: str
) -> None:
    with contextlib.suppress(KeyError), transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        if reads == "nobody knows what":
            with scope():
                current().read_anything()
                cache.get_or_set("read", lambda: "Le Guin", 600)
        else:
            cache.get_or_set("read", lambda: name_of(site, 1), 600)
        assert elsewhere(lambda: cache.get("read")) is None
        raise KeyError
    begin()
    assert cache.get("read") is None


@ON_POSTGRESQL
def test_after_an_unknown_write_a_transaction_takes_nothing_from_the_cache(
    site: str, cache: MachineCache
) -> None:
    assert cache.get_or_set("name", lambda: name_of(site, 1), 600) == "Ursula"
    begin()
    with transaction.atomic(using=site):
        with connections[site].cursor() as cursor:
            cursor.execute("DO $$ BEGIN UPDATE shop_author SET name = 'Le Guin'; END $$")
        assert cache.get_or_set("name", lambda: name_of(site, 1), 600) == "Le Guin"


def test_what_a_rolled_back_transaction_showed_is_not_kept(site: str, cache: MachineCache) -> None:
    """Objects in memory still have the values that never were."""
    with contextlib.suppress(KeyError), transaction.atomic(using=site):
        rename(site, 1, "never was")
        cache.set("set", "never was")
        seen = name_of(site, 1)
        derived = cache.get_or_set("derived", lambda: cache.get("set"), 600)
        assert seen == derived == "never was"
        raise KeyError
    cache.get_or_set("name", lambda: seen, 600)
    assert elsewhere(lambda: [cache.get("name"), cache.get("derived")]) == [None, None]
    begin()
    assert cache.get_or_set("name", lambda: name_of(site, 1), 600) == "Ursula"
    begin()
    assert cache.get("name") == "Ursula", "the next unit of work keeps it"


def test_what_a_script_read_before_it_wrote_is_not_kept(site: str, cache: MachineCache) -> None:
    """Though it never said where its unit of work ends."""

    def script() -> None:
        seen = name_of(site, 1)
        rename(site, 1, "Le Guin")
        cache.get_or_set("name", lambda: seen, 600)

    contextvars.Context().run(script)
    assert elsewhere(lambda: cache.get("name")) is None


def test_what_was_set_in_a_rolled_back_transaction_is_not_seen_in_the_next(
    site: str, cache: MachineCache
) -> None:
    with contextlib.suppress(KeyError), transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        cache.set("name", "Le Guin")
        raise KeyError
    with transaction.atomic(using=site):
        rename(site, 2, "Butler")
        assert cache.get("name") is None


def test_a_unit_of_work_that_begins_in_a_transaction_sees_what_that_sees(
    site: str, cache: MachineCache
) -> None:
    """A handler called from a view, a client in a test: its snapshot is older than itself."""
    with transaction.atomic(using=site):
        rename(site, 1, "Le Guin")
        begin()
        cache.get_or_set("name", lambda: name_of(site, 1), 600)
        with scope():
            cache.get_or_set("other-name", lambda: name_of(site, 1), 600)
        assert elsewhere(lambda: [cache.get("name"), cache.get("other-name")]) == [None, None]
        transaction.set_rollback(True, using=site)


def test_a_snapshot_older_than_a_unit_of_work_is_never_believed(
    sqlite_or_repeatable: str, cache: MachineCache
) -> None:
    site = sqlite_or_repeatable
    fill = lambda key: cache.get_or_set(key, lambda: name_of(site, 1), 600)  # noqa: E731
    with transaction.atomic(using=site):
        name_of(site, 2)
        elsewhere(lambda: rename(site, 1, "Le Guin"))
        assert fill("within") == "Ursula"
        with scope():
            assert fill("in-a-scope") == "Ursula"
        begin()
        assert fill("begun-anew") == "Ursula"
    begin()
    for key in ("within", "in-a-scope", "begun-anew"):
        assert fill(key) == "Le Guin"


@pytest.fixture
def sqlite_or_repeatable(site: str) -> Iterator[str]:
    connection = connections[site]
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        connection.connection.isolation_level = 2 + 1  # psycopg counts from READ UNCOMMITTED
    yield site
    if connection.vendor == "postgresql" and connection.connection is not None:
        connection.connection.isolation_level = None


@ON_SQLITE
def test_a_half_read_iterator_holds_its_snapshot_for_its_unit_of_work(
    site: str, cache: MachineCache
) -> None:
    Author.objects.using(site).bulk_create([Author(name=str(n)) for n in range(300)])
    begin()
    reading = Author.objects.using(site).iterator(chunk_size=2)
    next(reading)
    elsewhere(lambda: rename(site, 1, "Le Guin"))
    fill = lambda: cache.get_or_set("name", lambda: name_of(site, 1), 600)  # noqa: E731
    assert fill() == "Ursula", "SQLite shows what the iterator began with"
    reading.close()
    begin()
    assert fill() == "Le Guin"
    wait_until(lambda: (begin(), fill(), begin(), cache.get("name"))[-1], what="it to be kept")


# What others do with the connection ---------------------------------------------------------------


def test_other_wrappers_may_come_and_go_in_any_order(site: str) -> None:
    ear, connection = Ear(), connections[site]
    passing: Any = lambda execute, *args: execute(*args)  # noqa: E731
    first, second = connection.execute_wrapper(passing), connection.execute_wrapper(passing)
    first.__enter__()
    second.__enter__()
    rename(site, 1, "a")
    assert ear.heard(1)
    first.__exit__(None, None, None)
    rename(site, 1, "b")
    assert ear.heard(1)
    second.__exit__(None, None, None)
    rename(site, 1, "c")
    assert ear.heard(1)


def test_a_connection_first_opened_under_a_wrapper_is_heard_and_stays_so(site: str) -> None:
    def act() -> bool:
        ear = Ear()
        connection = connections[site]
        with connection.execute_wrapper(lambda execute, *args: execute(*args)):
            rename(site, 1, "a")
        assert ear.heard(1)
        rename(site, 1, "b")
        return ear.heard(1)

    assert elsewhere(act)


def test_a_thread_without_the_context_is_heard_and_not_observed(site: str) -> None:
    ear = Ear()
    elsewhere(lambda: (rename(site, 1, "Le Guin"), name_of(site, 1)))
    assert ear.heard(1)
    assert not current().changes
    assert current().begun is None


def test_a_thread_with_the_context_belongs_to_the_unit_of_work(site: str) -> None:
    elsewhere(
        lambda: (rename(site, 1, "Le Guin"), name_of(site, 1)),
        context=contextvars.copy_context(),
    )
    assert len(current().changes) == 1
    assert current().begun is not None


class TestTransparency(TestCase):
    """Blocks of ``TestCase`` never commit: nobody's hooks are counted, statements apply at once."""

    def test_no_hook_is_added(self) -> None:
        with self.captureOnCommitCallbacks() as callbacks:
            Tag.objects.create(name="a")
            with transaction.atomic():
                Tag.objects.create(name="b")
        assert callbacks == []

    def test_no_query_is_added(self) -> None:
        with self.assertNumQueries(2):
            Tag.objects.create(name="a")
            list(Tag.objects.all())

    def test_statements_are_heard_at_once(self) -> None:
        table = process.current().table
        place = table.index(slots.table("default", "shop_tag"))
        before = table.changed[place]
        with transaction.atomic():
            Tag.objects.create(name="a")
            assert table.changed[place] > before

    def test_a_unit_of_work_begins_anew_in_them(self) -> None:
        list(Tag.objects.all())
        with scope() as unit:
            assert unit.begun is None
        assert begin().begun is None


# A COMMIT in flight when its client has gone ------------------------------------------------------

SLOW_COMMIT = """
CREATE OR REPLACE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER lingers AFTER UPDATE ON shop_author {when}
  FOR EACH ROW EXECUTE FUNCTION linger();
"""


@pytest.mark.slow
@ON_POSTGRESQL
@pytest.mark.parametrize("way", ["transaction", "autocommit"])
def test_a_commit_that_outlives_its_connection_is_heard_when_it_is_done(
    site: str, cache: MachineCache, way: str
) -> None:
    """The client's socket is cut while the server commits, and the server goes on."""
    when = "DEFERRABLE INITIALLY DEFERRED" if way == "transaction" else ""
    with connections[site].cursor() as cursor:
        cursor.execute(SLOW_COMMIT.format(when=when))
    sockets: list[socket.socket] = []

    def write() -> None:
        connection = connections[site]
        connection.ensure_connection()
        sockets.append(socket.socket(fileno=connection.connection.fileno()))
        with contextlib.suppress(DatabaseError):
            if way == "autocommit":
                rename(site, 1, "Le Guin")
            else:
                with transaction.atomic(using=site):
                    rename(site, 1, "Le Guin")
        settle_all()

    fill = lambda: (begin(), cache.get_or_set("name", lambda: name_of(site, 1), 600))[1]  # noqa: E731
    try:
        writer = threading.Thread(target=elsewhere, args=(write,))
        writer.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_until(lambda: ask(site, waiting) == 1, what="the server to commit")
        sockets[0].shutdown(socket.SHUT_RDWR)
        writer.join()
        assert fill() == "Ursula", "it is not committed yet"
        wait_until(lambda: name_of(site, 1) == "Le Guin", what="the commit")
        wait_until(lambda: fill() == "Le Guin", what="the change to be heard")
        wait_until(lambda: process.current().intents.standing() == 0, what="the intent's end")
    finally:
        for sock in sockets:
            sock.detach()
        with connections[site].cursor() as cursor:
            cursor.execute("DROP TRIGGER lingers ON shop_author")


def ask(alias: str, sql: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]
