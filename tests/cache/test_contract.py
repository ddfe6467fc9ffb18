"""What Django's own suite doesn't ask of a cache: transactions, async twins, options."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test.utils import override_settings

from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import begin
from nothing_shared.node import slots
from nothing_shared.node.change import Change


def test_mutable_values_are_nobody_elses(cache: MachineCache) -> None:
    mine = [1]
    cache.set("list", mine)
    mine.append(2)
    cache.get("list").append(3)
    assert cache.get("list") == [1]


@pytest.mark.parametrize("way", ["get", "get_or_set"])
def test_nor_are_those_that_are_read_often_and_no_longer_unpickled(
    cache: MachineCache, way: str
) -> None:
    begin()
    cache.set("rows", [{"id": 1, "name": "one", "price": 1.5, "tags": ["new"]}])
    for _ in range(6):
        rows = cache.get("rows") if way == "get" else cache.get_or_set("rows", None)
        assert rows == [{"id": 1, "name": "one", "price": 1.5, "tags": ["new"]}]
        rows[0]["tags"].append("spoilt")
        rows[0]["id"] = 2
        rows.append("spoilt")
    held = cache._store.l1.entries[cache.make_key("rows")]
    assert held.frequency == 3 and held.packed is None


class Tenanted(MachineCache):
    """Says anew for every call what its names begin with."""

    tenant = 1

    @property
    def version(self) -> int:
        return self.tenant

    @version.setter
    def version(self, value: int) -> None:
        pass


def test_a_version_that_is_a_property_is_asked_for_every_name(cache: MachineCache) -> None:
    tenanted = Tenanted("tenants", {})
    tenanted.set("k", "the first one's")
    tenanted.tenant = 2
    assert tenanted.get("k") is None
    tenanted.tenant = 1
    assert tenanted.get("k") == "the first one's"


class Gone:
    """Can be pickled, and not unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def test_what_cannot_be_unpickled_can_be_deleted(cache: MachineCache) -> None:
    begin()
    cache.set("gone", Gone())
    for _ in range(4):
        with pytest.raises(ValueError, match="no number"):
            cache.get("gone")
    cache.set("gone", Gone())
    assert [cache.delete("gone") for _ in range(2)] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_a_set_in_a_transaction_is_seen_inside_at_once_and_outside_on_commit(
    cache: MachineCache,
) -> None:
    begin()
    cache.set("k", "old")
    with transaction.atomic():
        cache.set("k", "new")
        assert cache.get("k") == "new"
        assert in_another_thread(lambda: cache.get("k")) == "old"
    assert in_another_thread(lambda: cache.get("k")) == "new"
    assert cache.get("k") == "new"


@pytest.mark.django_db(transaction=True)
def test_a_set_in_a_rolled_back_transaction_never_was(cache: MachineCache) -> None:
    cache.set("k", "old")
    with pytest.raises(KeyError), transaction.atomic():
        cache.set("k", "new")
        raise KeyError
    assert cache.get("k") == "old"


@pytest.mark.django_db(transaction=True)
def test_what_is_set_in_a_transaction_can_be_counted_touched_and_deleted_there(
    cache: MachineCache,
) -> None:
    with transaction.atomic():
        cache.set("n", 1)
        assert cache.incr("n") == 2
        assert cache.touch("n", 100)
        assert not cache.add("n", 9)
        assert cache.get("n") == 2
        cache.set("gone", 1)
        assert cache.delete("gone")
        assert cache.get("gone") is None
    assert cache.get("n") == 2
    assert cache.get("gone") is None


@pytest.mark.django_db(transaction=True)
def test_a_delete_in_a_transaction_is_repeated_on_commit(cache: MachineCache) -> None:
    cache.set("k", "old")
    with transaction.atomic():
        cache.delete("k")
        assert cache.get("k") is None
        in_another_thread(lambda: cache.get("k") or cache.set("k", "filled before the commit"))
    assert cache.get("k") is None


def test_async_twins_do_what_the_others_do(cache: MachineCache) -> None:
    async def use() -> list[Any]:
        await cache.aset("k", 1)
        said = [await cache.aget("k"), await cache.aincr("k"), await cache.ahas_key("k")]
        said.append(await cache.aadd("k", 5))
        said.append(await cache.atouch("k", 50))
        await cache.aset_many({"x": 1, "y": 2})
        said.append(await cache.aget_many(["x", "y", "z"]))
        await cache.adelete_many(["x"])
        said.append(await cache.aget("x", "none"))

        async def load() -> str:
            await asyncio.sleep(0)
            return "loaded"

        said.append(await cache.aget_or_set("l", load))
        said.append(await cache.aget_or_set("l", None))
        said.append(await cache.adelete("l"))
        await cache.aclear()
        said.append(await cache.aget("k"))
        return said

    assert asyncio.run(use()) == [
        1, 2, True, False, True, {"x": 1, "y": 2}, "none", "loaded", "loaded", True, None,
    ]  # fmt: skip


def test_a_cancelled_loader_frees_its_flight(cache: MachineCache) -> None:
    async def use() -> str:
        async def hang() -> None:
            await asyncio.Event().wait()

        leader = asyncio.create_task(cache.aget_or_set("k", hang))
        await asyncio.sleep(0)
        leader.cancel()
        return str(await asyncio.wait_for(cache.aget_or_set("k", lambda: "value"), 5))

    assert asyncio.run(use()) == "value"


def test_a_loader_may_ask_for_its_own_key(cache: MachineCache) -> None:
    assert cache.get_or_set("k", lambda: cache.get_or_set("k", lambda: 1) + 1) == 2


def test_unknown_options_are_refused_at_construction(node: Any) -> None:
    with (
        override_settings(
            CACHES={
                "default": {
                    "BACKEND": f"{MachineCache.__module__}.MachineCache",
                    "OPTIONS": {"L1_BITES": 1},
                }
            }
        ),
        pytest.raises(ImproperlyConfigured, match='Did you mean "L1_BYTES"'),
    ):
        from django.core.cache import caches

        caches["default"]


def test_the_backend_refuses_to_work_without_its_app(node: Any, settings: Any) -> None:
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != "nothing_shared.cache"
    ]
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        MachineCache("", {})


def in_another_thread(function: Any) -> Any:
    import threading

    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


def test_counting_up_does_not_hide_a_change_that_came_meanwhile(
    cache: MachineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.set("n", 1, depends_on=["source"])
    table = cache._store.table
    apply = table.apply

    def overtaken(*args: Any, **kwargs: Any) -> int:
        monkeypatch.undo()
        apply(Change((slots.name("source"),)))
        return apply(*args, **kwargs)

    monkeypatch.setattr(table, "apply", overtaken)
    assert cache.incr("n") == 2
    assert cache.get("n") is None, "what it was counted up from is old"
