"""Each statement goes to a replica that shows what its reader must see, or to the primary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from django.test.utils import override_settings

from nothing_shared.causality import scope
from nothing_shared.causality.scopes import current
from nothing_shared.pinning import served, use_primary
from tests.causality.shop.models import Author, Tag
from tests.pinning.local import (
    ALIAS,
    Client,
    Counting,
    authors,
    connection,
    count,
    make,
    node_at,
    warm,
)
from tests.servers import Replication

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("pinned")]


@pytest.fixture
def client() -> Client:
    warm()
    return Client()


def execute(sql: str, *params: Any) -> Any:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else None


def test_p14_a_request_that_only_reads_is_served_by_one_replica_throughout(client: Client) -> None:
    for _ in range(5):
        client.get(lambda: [count(), list(authors.all()), Tag.objects.using(ALIAS).count()])
        assert sum(client.served.values()) == 3
        assert len(client.used_replicas) == 1
        assert not client.used_primary


def test_p14_all_replicas_get_their_share(client: Client) -> None:
    seen = set()
    for _ in range(40):
        client.get(count)
        seen.update(client.used_replicas)
    assert seen == {f"{ALIAS}@0", f"{ALIAS}@1"}


def test_the_primary_is_not_connected_to_for_reads(client: Client) -> None:
    connection().disconnect()
    client.get(count)
    assert connection().connection is None


def test_p6_a_get_that_writes_reads_from_the_primary_from_there_on(
    pinned: Replication, client: Client
) -> None:
    for replica in pinned.replicas:
        replica.pause()
    before = count()
    seen = client.get(lambda: [count(), make("Ursula"), count()])
    assert seen[0] == before
    assert seen[2] == before + 1
    assert client.get(count) == before + 1


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO shop_author (name) VALUES ('raw')",
        "WITH made AS (INSERT INTO shop_author (name) VALUES ('raw') RETURNING id) SELECT * FROM made",
        "DO $$ BEGIN INSERT INTO shop_author (name) VALUES ('raw'); END $$",
        "COPY shop_author (name) FROM STDIN",
        "SELECT make_author('raw')",
    ],
)
def test_p6_every_form_of_write_is_seen_on_another_node(
    pinned: Replication, client: Client, tmp_path: Path, write: str
) -> None:
    execute(MAKE_AUTHOR)
    pinned.wait_until_caught_up()
    for replica in pinned.replicas:
        replica.pause()
    before = count()
    client.post(lambda: copy(write) if write.startswith("COPY") else execute(write))
    with node_at(tmp_path / "another"):
        assert client.get(count) == before + 1
        assert client.used_primary


MAKE_AUTHOR = """
    CREATE OR REPLACE FUNCTION make_author(text) RETURNS bigint LANGUAGE sql AS
    'INSERT INTO shop_author (name) VALUES ($1) RETURNING id'
"""


def copy(statement: str) -> None:
    with connections[ALIAS].cursor() as cursor, cursor.copy(statement) as into:
        into.write("copied\n")


def test_p6_a_function_that_is_called_as_a_procedure_is_a_write(
    pinned: Replication, client: Client, tmp_path: Path
) -> None:
    def call() -> None:
        with connections[ALIAS].cursor() as cursor:
            cursor.callproc("make_author", ["called"])

    execute(MAKE_AUTHOR)
    pinned.wait_until_caught_up()
    for replica in pinned.replicas:
        replica.pause()
    before = count()
    client.get(call)
    with node_at(tmp_path / "another"):
        assert client.get(count) == before + 1


def test_p6_a_post_that_writes_nothing_pins_nobody(client: Client) -> None:
    client.post(count)
    assert not client.jar
    client.get(count)
    assert not client.used_primary


def test_p7_what_a_transaction_reads_is_the_primary_s(client: Client) -> None:
    def view() -> None:
        with transaction.atomic(using=ALIAS):
            count()
        count()

    client.get(view)
    assert client.served[ALIAS] == 1
    assert len(client.used_replicas) == 1


def test_p7_an_unsafe_method_reads_from_the_primary_before_it_writes(client: Client) -> None:
    client.post(count)
    assert client.served == {ALIAS: 1}


def test_code_that_nobody_vouches_for_reads_from_the_primary() -> None:
    with scope():
        count()
        assert served() == {ALIAS: 1}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT nextval('shop_author_id_seq')",
        "SELECT pg_try_advisory_lock(7), pg_advisory_unlock(7)",
        "SELECT id FROM shop_author FOR UPDATE SKIP LOCKED",
        "SELECT id FROM shop_author FOR KEY SHARE OF shop_author",
        "SELECT set_config('my.tenant', '3', false)",
        "SHOW server_version",
        "EXPLAIN SELECT * FROM shop_author FOR UPDATE",
        "SELECT pg_is_in_recovery()",
    ],
)
def test_p14_what_only_the_primary_can_do_is_not_tried_on_a_replica(
    client: Client, statement: str
) -> None:
    client.get(lambda: execute(statement))
    assert client.served == {ALIAS: 1}


def test_p14_rows_are_locked_on_the_primary(client: Client) -> None:
    def view() -> None:
        with transaction.atomic(using=ALIAS):
            list(authors.select_for_update())

    client.get(view)
    assert client.served == {ALIAS: 1}


@pytest.mark.parametrize(
    "statement",
    [
        "SET application_name = 'bound'",
        "SELECT set_config('my.tenant', '3', false)",
        "SELECT pg_advisory_lock(7)",
        "CREATE TEMPORARY TABLE passing (id int)",
        "PREPARE one AS SELECT 1",
        "LISTEN news",
    ],
)
def test_after_a_statement_that_changes_its_session_all_reads_are_on_that_session(
    client: Client, statement: str
) -> None:
    client.get(lambda: execute(statement))
    client.get(count)
    assert client.served == {ALIAS: 1}
    connection().close()
    client.get(count)
    assert not client.used_primary


@pytest.mark.parametrize("statement", ["SET LOCAL work_mem = '1MB'", "SET TRANSACTION READ ONLY"])
def test_what_ends_with_its_transaction_binds_no_session(client: Client, statement: str) -> None:
    def view() -> None:
        with transaction.atomic(using=ALIAS):
            execute(statement)

    client.get(view)
    client.get(count)
    assert not client.used_primary


def test_a_table_with_a_column_called_temp_binds_nobody(client: Client) -> None:
    client.get(lambda: execute('SELECT 1 AS "temp", 2 AS temporary'))
    client.get(count)
    assert not client.used_primary


QUERIES: dict[str, Callable[[], Any]] = {
    "iterator": lambda: list(authors.iterator(chunk_size=1)),
    "raw": lambda: list(authors.raw("SELECT * FROM shop_author")),
    "count": count,
    "exists": authors.exists,
    "explain": lambda: authors.all().explain(analyze=True),
    "values": lambda: list(authors.values_list("name")),
    "plain cursor": lambda: execute("SELECT count(*) FROM shop_author"),
    "nothing at all": lambda: execute("SELECT 1"),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_every_form_of_query_can_be_answered_by_a_replica(
    pinned: Replication, client: Client, query: Callable[[], Any]
) -> None:
    make("Octavia")
    pinned.wait_until_caught_up()
    client.get(query)
    assert not client.used_primary


def test_p15_what_a_replica_answers_is_of_the_one_alias(client: Client) -> None:
    make("Octavia")
    found = client.get(lambda: [authors.first(), *authors.iterator(), *authors.all()])
    assert {author._state.db for author in found if author is not None} == {ALIAS}


def test_statements_of_replicas_are_counted_with_the_others(
    client: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2, connection=connections[ALIAS]):
        client.get(lambda: [count(), count()])


def test_the_primary_can_be_asked_for(client: Client) -> None:
    def view() -> None:
        with use_primary():
            with use_primary("another"):
                count()
            count()
        with use_primary("another"):
            count()
        with use_primary(ALIAS):
            count()

    client.get(view)
    assert client.served[ALIAS] == 3
    assert sum(client.served.values()) == 4


def test_a_function_can_ask_for_the_primary_each_time(client: Client) -> None:
    @use_primary()
    def important(depth: int) -> int:
        return important(depth - 1) if depth else count()

    client.get(lambda: [important(2), count()])
    assert client.served[ALIAS] == 1
    assert sum(client.served.values()) == 2


def test_a_coroutine_can_ask_for_the_primary(client: Client) -> None:
    @use_primary()
    async def important() -> int:
        await asyncio.sleep(0)
        return await authors.acount()

    async def view() -> list[int]:
        return [*await asyncio.gather(important(), authors.acount()), await authors.acount()]

    client.visit_async(view)
    assert client.served[ALIAS] == 1
    assert sum(client.served.values()) == 3


def test_p4_a_client_that_has_written_nothing_costs_no_question(client: Client) -> None:
    connection().positions = counting = Counting()
    for _ in range(20):
        client.get(count)
    assert counting.asked == []


def test_p4_a_ticket_is_checked_once_on_each_connection(
    pinned: Replication, client: Client
) -> None:
    client.post(lambda: make("Ursula"))
    pinned.wait_until_caught_up()
    connection().positions = counting = Counting()
    for _ in range(40):
        client.get(count)
        assert not client.used_primary
    assert counting.asked == ["replica", "replica"]


def test_p3_a_pin_ends_as_soon_as_a_replica_is_there(pinned: Replication, client: Client) -> None:
    for replica in pinned.replicas:
        replica.pause()
    client.post(lambda: make("Ursula"))
    client.get(count)
    assert client.used_primary
    pinned.replicas[1].resume()
    pinned.wait_until_caught_up(pinned.replicas[1])
    client.get(count)
    assert client.used_replicas == [f"{ALIAS}@1"]


def test_tables_that_nobody_has_written_are_read_from_replicas(
    pinned: Replication, client: Client
) -> None:
    for replica in pinned.replicas:
        replica.pause()
    client.post(lambda: make("Ursula"))
    client.get(lambda: Tag.objects.using(ALIAS).count())
    assert not client.used_primary
    client.get(lambda: execute("SELECT 1 FROM shop_tag, shop_author"))
    assert client.used_primary


def test_what_the_node_has_heard_counts_for_every_reader(
    pinned: Replication, client: Client
) -> None:
    for replica in pinned.replicas:
        replica.pause()
    before = count()
    Client().post(lambda: make("Ursula"))
    assert client.get(count) == before + 1


def test_with_freshness_client_others_are_served_by_replicas_and_cache_nothing(
    pinned: Replication, client: Client, settings: Any
) -> None:
    settings.NOTHING_SHARED_PINNING = {"FRESHNESS": "client", "WAIT": 0.0}
    for replica in pinned.replicas:
        replica.pause()
    before = count()
    writer = Client()
    writer.post(lambda: make("Ursula"))
    assert client.get(lambda: (count(), current().may_fill)) == (before, False)
    assert writer.get(lambda: (count(), current().may_fill)) == (before + 1, True)
    cache = {"default": {"BACKEND": "nothing_shared.cache.backends.MachineCache"}}
    with override_settings(CACHES=cache):
        assert client.get(cached_count) == before
        assert writer.get(cached_count) == before + 1
        assert client.get(cached_count) == before + 1


def cached_count() -> int:
    """Count by ``get`` and ``set``, as code does that was written for any cache."""
    found = caches["default"].get("count")
    if found is None:
        found = count()
        caches["default"].set("count", found)
    return int(found)


def test_a_wait_of_a_moment_keeps_reads_on_a_replica(
    pinned: Replication, client: Client, settings: Any
) -> None:
    settings.NOTHING_SHARED_PINNING = {"WAIT": 1.0}
    for name in ("Ursula", "Octavia", "James"):
        client.post(lambda name=name: make(name))
        client.get(count)
        assert not client.used_primary


def test_p16_subtasks_and_threads_of_a_request_read_as_it_does(client: Client) -> None:
    async def view() -> None:
        await asyncio.gather(authors.acount(), asyncio.create_task(authors.acount()))
        await asyncio.to_thread(in_thread)

    def in_thread() -> None:
        count()
        connections.close_all()

    client.visit_async(view)
    assert sum(client.served.values()) == 3
    assert not client.used_primary


def test_p16_what_a_subtask_has_written_is_seen_by_its_request_and_no_other(
    pinned: Replication, client: Client
) -> None:
    for replica in pinned.replicas:
        replica.pause()

    async def view() -> int:
        await asyncio.gather(authors.acreate(name="Ursula"), asyncio.sleep(0))
        return await authors.acount()

    assert client.visit_async(view) == count()
    other = Client()
    other.get(lambda: Tag.objects.using(ALIAS).count())
    assert not other.used_primary


def test_an_alias_for_which_all_replicas_weigh_nothing_reads_from_the_primary(
    client: Client,
) -> None:
    fleet = connection().fleet
    assert fleet is not None
    for replica in fleet.replicas:
        replica.weight = 0
    client.get(count)
    assert client.served == {ALIAS: 1}


def test_replicas_have_connections_of_their_own_that_close_with_the_primary_s(
    client: Client,
) -> None:
    client.get(count)
    fleet = connection().fleet
    assert fleet is not None
    assert any(replica.is_open for replica in fleet.replicas)
    connection().close()
    assert not any(replica.is_open for replica in fleet.replicas)


def test_a_save_after_a_deferred_read_writes_what_was_changed_alone(client: Client) -> None:
    made = make("Octavia")

    def view() -> list[str]:
        author = Author.objects.using(ALIAS).only("id").get(pk=made.pk)
        author.name = "Butler"
        connections[ALIAS].force_debug_cursor = True
        try:
            author.save()
            return [query["sql"] for query in connections[ALIAS].queries]
        finally:
            connections[ALIAS].force_debug_cursor = False

    assert any("UPDATE" in sql for sql in client.get(view))
