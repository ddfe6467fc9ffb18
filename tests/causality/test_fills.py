"""What was read before a change is not believed after it, in whatever way it got into the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from nothing_shared.cache import cached, cached_page
from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import begin, current, scope
from tests.causality.shop.models import Author
from tests.causality.sites import elsewhere


def write(site: str) -> None:
    """Commit a change in another thread, as another request."""
    elsewhere(lambda: Author.objects.using(site).filter(pk=1).update(name="Le Guin"))


def name_of(site: str) -> str:
    return Author.objects.using(site).get(pk=1).name


def authors(site: str) -> Any:
    return Author.objects.using(site).order_by("pk")


def fail() -> str:
    raise KeyError("the source is away")


def names(value: Any) -> list[str]:
    """Return the names of what is a name, a query, or a dictionary of either."""
    if isinstance(value, dict):
        return [name for each in value.values() for name in names(each)]
    return [value] if isinstance(value, str) else [author.name for author in value]


def is_stale(cache: MachineCache, key: str = "k", **options: Any) -> bool:
    begin()
    found = cache.get(key, **options)
    return found is not None and "Ursula" in names(found)


# What the value itself asks the database -----------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        authors,
        lambda site: {"authors": authors(site)},
        lambda site: SimpleLazyObject(lambda: [*authors(site)]),
    ],
    ids=["query", "query in a dictionary", "lazy object"],
)
@pytest.mark.parametrize("way", ["get_or_set", "set", "aset", "cached"])
def test_a_value_that_is_read_as_it_is_stored_depends_on_that(
    site: str, cache: MachineCache, value: Callable[[str], Any], way: str
) -> None:
    if way == "get_or_set":
        cache.get_or_set("k", lambda: value(site))
    elif way == "cached":
        cached(60, key="k")(lambda: value(site))()
    else:
        assert cache.get("k") is None
        if way == "set":
            cache.set("k", value(site))
        else:
            asyncio.run(cache.aset("k", value(site)))
    write(site)
    assert not is_stale(cache, "cached:k" if way == "cached" else "k")


def test_a_page_whose_response_carries_a_query_depends_on_it(
    site: str, cache: MachineCache
) -> None:
    @cached_page(60)
    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse()
        response.authors = authors(site)  # type: ignore[attr-defined]
        return response

    for expected in ("Ursula", "Le Guin"):
        begin()
        response: Any = view(RequestFactory().get("/"))
        assert response.authors[0].name == expected
        write(site)


def test_a_value_that_asks_in_a_thread_is_a_fill_there_too(site: str, cache: MachineCache) -> None:
    async def view() -> None:
        assert await cache.aget("k") is None
        read = [author.name async for author in authors(site)]
        await asyncio.to_thread(write, site)
        await cache.aset("k", {name: authors(site) for name in read} | {"first": read[0]})

    asyncio.run(view())
    assert not is_stale(cache)


# Narrowed fills ------------------------------------------------------------------------------------


def test_a_narrowed_page_that_raced_is_not_kept(site: str, cache: MachineCache) -> None:
    author, reads = Author.objects.using(site).get(pk=1), []

    @cached_page(60, only=[author])
    def view(request: HttpRequest) -> HttpResponse:
        reads.append(name_of(site))
        if len(reads) == 1:
            write(site)
        return HttpResponse(reads[-1])

    for _ in range(2):
        begin()
        response = view(RequestFactory().get("/"))
    assert response.content == b"Le Guin"


@pytest.mark.parametrize("is_old", [False, True], ids=["hit", "stale"])
def test_a_narrowed_fill_is_as_old_as_what_was_found_for_it(
    site: str, cache: MachineCache, is_old: bool
) -> None:
    author = Author.objects.using(site).get(pk=1)
    cache.get_or_set("source", lambda: name_of(site))
    begin()
    if is_old:
        write(site)
        begin()

        def load() -> Any:
            return cache.get_or_set("source", fail, serve_stale=True)
    else:
        found = cache.get("source")
        write(site)

        def load() -> Any:
            return found

    assert cache.get_or_set("k", load, only=[author]) == "Ursula"
    assert not is_stale(cache)


# Misses ----------------------------------------------------------------------------------------------


def misses_by_get(cache: MachineCache) -> None:
    assert cache.get("k") is None


def misses_by_touch(cache: MachineCache) -> None:
    assert not cache.touch("k")


def misses_by_incr(cache: MachineCache) -> None:
    with pytest.raises(ValueError, match="not found"):
        cache.incr("k")


def misses_by_get_or_set(cache: MachineCache) -> None:
    with pytest.raises(KeyError):
        cache.get_or_set("k", fail)


@pytest.mark.parametrize(
    "miss", [misses_by_get, misses_by_touch, misses_by_incr, misses_by_get_or_set]
)
@pytest.mark.parametrize("times", [1, 2])
def test_whatever_missed_makes_each_set_a_fill(
    site: str, cache: MachineCache, miss: Callable[[MachineCache], None], times: int
) -> None:
    miss(cache)
    name = name_of(site)
    write(site)
    for _ in range(times):
        cache.set("k", name)
    assert not is_stale(cache)


def test_two_parts_of_a_request_may_miss_and_set_the_same_key(
    site: str, cache: MachineCache
) -> None:
    async def part(together: asyncio.Barrier) -> None:
        assert await cache.aget("k") is None
        name = await sync_to_async(name_of)(site)
        if await together.wait() == 0:
            await asyncio.to_thread(write, site)
        await together.wait()
        await cache.aset("k", name)

    async def view() -> None:
        together = asyncio.Barrier(2)
        await asyncio.gather(part(together), part(together))

    asyncio.run(view())
    assert not is_stale(cache)


@pytest.mark.parametrize("kind", ["request", "script"])
def test_what_was_missed_can_be_set_again_and_again(cache: MachineCache, kind: str) -> None:
    begin().is_implicit = kind == "script"
    assert not cache.get_many(["a", "b"])
    for number in range(3):
        cache.set_many({"a": number, "b": number})
    assert elsewhere(lambda: cache.get_many(["a", "b"])) == {"a": 2, "b": 2}


def test_hundreds_of_keys_that_were_missed_can_be_set_after_another(cache: MachineCache) -> None:
    names = [f"name-{number}" for number in range(300)]
    assert not cache.get_many(names)
    cache.set("other", 1)
    cache.set_many(dict.fromkeys(names, 1))
    assert len(cache.get_many(names)) == 300


@pytest.mark.parametrize("kind", ["request", "script"])
@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "rolled back"])
def test_what_a_transaction_has_cleared_can_be_set_in_it_and_after_it(
    site: str, cache: MachineCache, kind: str, is_committed: bool
) -> None:
    begin().is_implicit = kind == "script"
    with suppress(KeyError), transaction.atomic(using=site):
        cache.clear()
        assert cache.get("k") is None
        cache.set("k", 1)
        assert cache.get("k") == 1
        if not is_committed:
            raise KeyError
    assert cache.get("k") == (1 if is_committed else None)
    cache.set("k", 2)
    assert cache.get("k") == 2


@pytest.mark.parametrize(
    "drop", [lambda cache: cache.delete("k"), lambda cache: cache.clear()], ids=["delete", "clear"]
)
def test_what_was_missed_and_deleted_can_be_set(
    cache: MachineCache, drop: Callable[[MachineCache], None]
) -> None:
    misses_by_get(cache)
    drop(cache)
    cache.set("k", "new")
    assert cache.get("k") == "new"


def test_what_was_missed_and_added_can_be_set(cache: MachineCache) -> None:
    misses_by_get(cache)
    assert cache.add("k", "first")
    cache.set("k", "second")
    assert cache.get("k") == "second"


@pytest.mark.parametrize(
    "store",
    [
        lambda cache: cache.set_many({"other": 1}),
        lambda cache: cache.delete("other"),
        lambda cache: cache.incr("counter"),
    ],
    ids=["set_many", "delete", "incr"],
)
def test_a_write_of_another_key_leaves_a_fill_a_fill(
    site: str, cache: MachineCache, store: Callable[[MachineCache], None]
) -> None:
    cache.set("counter", 1)
    begin()
    misses_by_get(cache)
    name = name_of(site)
    write(site)
    store(cache)
    cache.set("k", name)
    assert not is_stale(cache)


def test_a_read_that_may_be_a_write_leaves_a_fill_a_fill(site: str, cache: MachineCache) -> None:
    misses_by_get(cache)
    with connections[site].cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE passing AS SELECT name FROM shop_author")
        cursor.execute("SELECT name FROM passing ORDER BY name")
        name = cursor.fetchall()[-1][0]
        cursor.execute("DROP TABLE passing")
    write(site)
    cache.set("k", name)
    assert not is_stale(cache)


# Parts of a unit of work -----------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["read", "read and set", "miss and read"])
def test_what_a_part_of_a_request_has_read_counts_for_the_whole(
    site: str, cache: MachineCache, inside: str
) -> None:
    if inside != "miss and read":
        misses_by_get(cache)
    with scope():
        if inside == "miss and read":
            misses_by_get(cache)
        name = name_of(site)
        if inside == "read and set":
            cache.set("k", name)
    if inside != "read and set":
        cache.set("k", name)
    write(site)
    assert not is_stale(cache)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
@pytest.mark.parametrize("start", [scope, lambda: nullcontext(begin())], ids=["part", "next"])
def test_a_query_with_rows_left_shows_an_old_snapshot_to_whatever_comes(
    site: str, cache: MachineCache, start: Callable[[], AbstractContextManager[Any]]
) -> None:
    rows = authors(site).reverse().iterator(chunk_size=1)
    next(rows)
    write(site)
    with start():
        assert cache.get_or_set("k", lambda: name_of(site)) == "Ursula"
    assert not is_stale(cache)
    del rows
    begin()
    assert cache.get_or_set("k", lambda: name_of(site)) == "Le Guin"
    begin()
    assert cache.get("k") == "Le Guin"


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_query_that_began_beside_a_half_read_one_is_as_old_as_that(
    site: str, cache: MachineCache
) -> None:
    first = authors(site).reverse().iterator(chunk_size=1)
    next(first)
    write(site)
    second = authors(site).reverse().iterator(chunk_size=1)
    next(second)
    del first
    begin()
    assert cache.get_or_set("k", lambda: name_of(site)) == "Ursula"
    assert not is_stale(cache)
    del second


def test_a_part_that_writes_in_the_transaction_of_the_whole_is_seen_by_it(
    site: str, cache: MachineCache
) -> None:
    cache.get_or_set("k", lambda: name_of(site))
    begin()
    with transaction.atomic(using=site):
        with scope():
            Author.objects.using(site).filter(pk=1).update(name="Le Guin")
        assert cache.get("k") is None


# Copies of what was found ----------------------------------------------------------------------------


def test_a_value_under_its_next_version_is_forgotten_with_its_row(
    site: str, cache: MachineCache
) -> None:
    cache.get_or_set("k", lambda: name_of(site))
    begin()
    assert cache.incr_version("k") == 2
    assert cache.get("k", version=2) == "Ursula"
    assert cache.get("k") is None
    write(site)
    assert not is_stale(cache, version=2)


def test_a_script_that_was_served_an_old_value_keeps_nothing_of_it(
    site: str, cache: MachineCache
) -> None:
    cache.get_or_set("source", lambda: name_of(site))
    write(site)

    def script() -> None:
        assert current().is_implicit
        cache.get_or_set("other", lambda: name_of(site))
        cache.set("third", 1)
        found = cache.get_or_set("source", fail, serve_stale=True)
        cache.get_or_set("k", lambda: found)

    elsewhere(script)
    assert not is_stale(cache)
