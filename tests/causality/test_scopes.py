"""What a unit of work has read and written, and where it begins and ends."""

from __future__ import annotations

import contextvars
import sys
import threading
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.cache import cached, invalidate
from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import SCOPE, begin, current, scope
from nothing_shared.causality.unit import MAX_SLOTS, Scope
from nothing_shared.node import slots
from nothing_shared.node.change import Change
from nothing_shared.node.table import ChangeTable
from tests.causality.shop.models import Author
from tests.causality.sites import elsewhere

DATABASE = "default"


@dataclass(frozen=True)
class Hit:
    begun: int
    slots: tuple[int, ...]


class Wound:
    """A clock that is wound by hand."""

    now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Wound:
    return Wound()


@pytest.fixture
def table(tmp_path: Path, clock: Wound) -> ChangeTable:
    return ChangeTable(tmp_path, slot_count=2**16, clock=clock)


# What a fill depends on ---------------------------------------------------------------------------


def test_a_fill_depends_on_all_that_was_read_since_the_first_of_it(table: ChangeTable) -> None:
    unit = Scope()
    unit.begin(5)
    unit.read_table(DATABASE, "events")
    unit.begin(9)
    unit.read_rows(DATABASE, "people", ["7"])
    since = unit.dependencies(table, begun=12)
    expected = (
        slots.table(DATABASE, "events"),
        slots.rows(DATABASE, "people"),
        slots.row(DATABASE, "people", 7),
    )
    assert since == dict.fromkeys((slots.EPOCH, *table.indexes(expected)), 5)


def test_a_transaction_that_began_earlier_makes_its_readers_older(table: ChangeTable) -> None:
    unit = Scope()
    unit.begin(9)
    unit.begin(3)
    unit.read_table(DATABASE, "events")
    assert set(unit.dependencies(table, begun=12).values()) == {3}


def test_a_fill_is_as_old_as_the_oldest_entry_it_used(table: ChangeTable) -> None:
    unit = Scope()
    unit.use(Hit(50, (70, 71)))
    unit.use(Hit(40, (71, 72)))
    unit.use(Hit(60, (71, 73)))
    since = unit.dependencies(table, begun=80)
    assert since == {slots.EPOCH: 40, 70: 50, 71: 40, 72: 40, 73: 60}


def test_many_rows_coarsen_to_their_table(table: ChangeTable) -> None:
    unit = Scope()
    unit.read_rows(DATABASE, "people", map(str, range(100)))
    unit.read_rows(DATABASE, "events", ["1"])
    places = unit.dependencies(table, begun=1).keys()
    assert table.index(slots.table(DATABASE, "people")) in places
    assert table.index(slots.row(DATABASE, "events", 1)) in places
    assert table.index(slots.table(DATABASE, "events")) not in places


def test_a_read_of_the_table_outweighs_its_rows(table: ChangeTable) -> None:
    unit = Scope()
    unit.read_rows(DATABASE, "people", ["1"])
    unit.read_table(DATABASE, "people")
    unit.read_rows(DATABASE, "people", ["2"])
    places = unit.dependencies(table, begun=1).keys() - {slots.EPOCH}
    assert places == set(table.indexes([slots.table(DATABASE, "people")]))


def test_what_depends_on_too_much_depends_on_anything(table: ChangeTable) -> None:
    unit = Scope()
    for number in range(1_000):
        unit.use(Hit(1_000 + number, (2_000 + number,)))
    assert unit.dependencies(table, begun=5_000) == {slots.ANY: 1_000, slots.EPOCH: 1_000}


def test_what_was_not_understood_depends_on_anything(table: ChangeTable) -> None:
    unit = Scope()
    unit.begin(5)
    unit.read_anything()
    assert unit.dependencies(table, begun=9) == {slots.ANY: 5, slots.EPOCH: 5}


# Units within units -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["request", "script", "apart"])
def test_a_scope_begins_anew_and_hands_on_what_it_read_where_the_outer_one_ends(
    table: ChangeTable, kind: str
) -> None:
    outer = begin()
    outer.is_implicit = kind == "script"
    outer.begin(5)
    outer.read_table(DATABASE, "events")
    with scope() as inner:
        inner.is_apart = kind == "apart"
        assert current() is inner
        assert inner.dependencies(table, begun=9) == {slots.EPOCH: 9}
        inner.begin(4)
        inner.read_table(DATABASE, "people")
        inner.use(Hit(3, (7,)))
    assert current() is outer
    events, people = (
        table.indexes((slots.table(DATABASE, "events"),)),
        table.indexes((slots.table(DATABASE, "people"),)),
    )
    found = outer.dependencies(table, begun=9)
    if kind == "request":
        assert found == {events[0]: 4, people[0]: 4, 7: 3, slots.EPOCH: 3}
    else:
        assert found == {events[0]: 5, slots.EPOCH: 5}


def test_what_is_changed_within_is_in_the_outer_ones_ticket() -> None:
    outer = begin()
    with scope() as inner:
        inner.changed(Change((7,)))
    assert [change.slots for change in outer.changes] == [(7,)]
    assert outer.ticketed == {7}
    assert outer.writes == 1


def test_a_scope_that_raises_ends_all_the_same() -> None:
    outer = begin()
    with pytest.raises(KeyError), scope() as inner:
        inner.changed(Change((7,)))
        raise KeyError
    assert current() is outer
    assert len(outer.changes) == 1


def test_a_scope_serves_the_same_client_as_the_request_around_it() -> None:
    outer = begin()
    outer.ticketed, outer.is_unsafe = frozenset({7}), True
    outer.refuse_cached()
    with scope() as inner:
        assert inner.refuses_cached
        assert inner.careful
        assert inner.is_unsafe
        assert inner.ticketed == {7}
        assert inner.attachments == {}


def test_a_task_of_an_endless_worker_is_not_held_to_what_the_worker_did() -> None:
    def work() -> None:
        current().refuse_cached()
        with scope() as task:
            assert not task.refuses_cached

    contextvars.Context().run(work)


def test_after_many_changes_of_its_own_a_unit_takes_no_stale_value_at_all() -> None:
    unit = begin()
    for number in range(1_000):
        unit.changed(Change((number + 2,)))
    assert slots.EPOCH in unit.ticketed
    assert len(unit.ticketed) <= MAX_SLOTS


def test_an_inner_fill_narrowed_by_only_serves_the_same_client(cache: MachineCache) -> None:
    """Within ``only=``, too, nothing cached is shown to a client whose ticket can't be read."""
    cache.set("inner", "old")
    unit = begin()
    unit.refuse_cached()
    seen = cache.get_or_set("outer", lambda: cache.get("inner", "asked the database"), 60, only=())
    assert seen == "asked the database"


def test_a_set_within_only_counts_as_one_after_the_requests_writes(cache: MachineCache) -> None:
    begin().is_unsafe = True

    def load() -> None:
        if cache.get("k") is None:
            cache.set("k", "for everybody")

    before = cache._store.table.changed[cache._store.own_indexes(":1:k")[0]]
    cache.get_or_set("outer", load, 60, only=())
    assert cache._store.table.changed[cache._store.own_indexes(":1:k")[0]] > before


# Threads ------------------------------------------------------------------------------------------


def test_a_thread_of_its_own_is_a_unit_of_work_of_its_own() -> None:
    unit = begin()
    assert elsewhere(current) is not unit
    assert elsewhere(current).is_implicit
    assert elsewhere(current, context=contextvars.copy_context()) is unit


def test_two_threads_of_one_unit_lose_no_dependency(table: ChangeTable) -> None:
    """As subtasks of one request do, of which one runs on the event loop."""
    unit, rounds = Scope(), 3_000
    was = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def use(first: int) -> None:
        for number in range(rounds):
            unit.use(Hit(10, (2 + (first + number) % 100,)))
            if not number % 7:
                unit.fold()

    try:
        threads = [threading.Thread(target=use, args=(first,)) for first in (0, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(was)
    assert unit.dependencies(table, begun=20).keys() == {slots.EPOCH, *range(2, 102)}


def test_a_unit_can_be_asked_while_another_thread_reads_in_it(table: ChangeTable) -> None:
    unit, is_done = Scope(), threading.Event()
    was = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def read() -> None:
        number = 0
        while not is_done.is_set():
            number += 1
            unit.read_rows(DATABASE, f"t{number % 3}", [str(number % 5)])
            unit._reads.pop((DATABASE, f"t{(number + 1) % 3}"), None)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(500):
            unit.dependencies(table, begun=1)
    finally:
        is_done.set()
        thread.join()
        sys.setswitchinterval(was)


# Units without an end -----------------------------------------------------------------------------


def test_a_script_that_says_nothing_of_units_caches_all_the_same(
    cache: MachineCache, site: str
) -> None:
    calls: list[int] = []

    @cached(600)
    def name(pk: int) -> str:
        calls.append(pk)
        return Author.objects.using(site).get(pk=pk).name

    def script() -> list[str]:
        return [name(pk) for pk in (1, 1, 2, 2)]

    assert contextvars.Context().run(script) == ["Ursula", "Ursula", "Octavia", "Octavia"]
    assert calls == [1, 2]


@pytest.mark.slow
def test_a_script_of_a_hundred_thousand_operations_does_not_grow(cache: MachineCache) -> None:
    cache.set("constant", 1)

    def round_of(first: int) -> None:
        for number in range(first, first + 1_000):
            cache.get("constant")
            cache.get(f"k{number % 3_000}")
            current().use(Hit(1, (number,)))
            if not number % 50:
                cache.set(f"k{number % 3_000}", number)
                invalidate(f"name{number}")
            with scope() as task:
                task.changed(Change((number,)))

    def script() -> int:
        assert current().is_implicit
        for first in range(0, 5_000, 1_000):
            round_of(first)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for first in range(5_000, 25_000, 1_000):
            round_of(first)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return after - before

    assert contextvars.Context().run(script) < 2**19


@pytest.mark.slow
def test_a_worker_that_runs_task_after_task_does_not_grow() -> None:
    def work() -> None:
        for number in range(100_000):
            with scope() as task:
                task.changed(Change((number,)))
                task.use(Hit(1, (number,)))
        unit: Any = SCOPE.get()
        assert unit is None or (len(unit.changes), len(unit.used)) == (0, 0)
        current().read_anything()
        with scope() as task:
            task.changed(Change((1,)))
        assert not current().changes

    contextvars.Context().run(work)


def test_an_endless_unit_holds_few_slots(table: ChangeTable) -> None:
    unit = Scope(is_implicit=True)
    for number in range(100_000):
        unit.use(Hit(number, (number + 2,)))
        if not number % 1_000:
            with unit.knowing(table):
                pass
    assert len(unit._since) <= MAX_SLOTS
    assert len(unit._known) <= MAX_SLOTS
