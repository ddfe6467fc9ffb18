from __future__ import annotations

from pathlib import Path

import pytest

from nothing_shared.clock import NEVER
from nothing_shared.locks import MachineLock
from nothing_shared.node import Change, Position, layout, slots
from nothing_shared.node.positions import Cells, Reached
from nothing_shared.node.table import FILE_NAME, ChangeTable
from tests.node.clocks import HandClock
from tests.node.workers import Workers

SMALL = 1024
EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


@pytest.fixture
def table(directory: Path, clock: HandClock) -> ChangeTable:
    made = ChangeTable(directory, slot_count=SMALL, clock=clock)
    clock.advance()
    return made


def apply_in(directory: Path, change: Change) -> int:
    return ChangeTable(directory, slot_count=SMALL).apply(change)


def ident(directory: Path) -> int:
    return ChangeTable(directory, slot_count=SMALL).id


def test_what_was_read_before_a_change_is_stale_and_what_was_read_after_is_fresh(
    table: ChangeTable, clock: HandClock
) -> None:
    before = clock()
    table.apply(Change((EVENT,)))
    after = clock.advance()
    event, user = table.indexes((EVENT,)), table.indexes((USER,))
    assert not table.fresh(before, event)
    assert table.fresh(before, user)
    assert table.fresh(after, event)


def test_what_was_read_in_the_very_nanosecond_of_a_change_is_stale(
    table: ChangeTable, clock: HandClock
) -> None:
    table.apply(Change((EVENT,)))
    assert not table.fresh(clock(), table.indexes((EVENT,)))


def test_a_change_is_applied_once(table: ChangeTable, clock: HandClock) -> None:
    change = Change((EVENT,))
    first = clock()
    assert table.apply(change)
    clock.advance()
    assert not table.apply(change)
    assert table.changed[table.index(EVENT)] == first


def test_an_id_whose_cell_another_has_taken_is_applied_again(table: ChangeTable) -> None:
    first, second = Change((EVENT,), id=7), Change((USER,), id=7 + layout.APPLIED_CELLS)
    assert table.apply(first)
    assert table.apply(second)
    assert table.apply(first)


def test_an_older_clock_never_takes_a_newer_change_back(
    table: ChangeTable, clock: HandClock
) -> None:
    clock.advance(1000)
    table.apply(Change((EVENT,)))
    newest = clock()
    clock.now -= 500
    table.apply(Change((EVENT,)))
    assert table.changed[table.index(EVENT)] == newest


def test_a_change_of_everything_leaves_nothing_fresh(table: ChangeTable, clock: HandClock) -> None:
    before, epochs = clock(), table.words[layout.EPOCHS]
    table.forget_everything()
    assert not table.fresh(before, ())
    assert table.fresh(clock.advance(), table.indexes((EVENT, USER)))
    assert table.words[layout.EPOCHS] == epochs + 1


def test_any_change_touches_the_slot_any(table: ChangeTable, clock: HandClock) -> None:
    before = clock()
    assert table.fresh(before, (slots.ANY,))
    table.apply(Change((EVENT,)))
    assert not table.fresh(before, (slots.ANY,))


def test_a_new_table_believes_nothing_from_before(directory: Path, clock: HandClock) -> None:
    table = ChangeTable(directory, slot_count=SMALL, clock=clock)
    assert not table.fresh(clock(), ())
    assert not table.leased()


def test_the_lease_ends_when_it_says(table: ChangeTable, clock: HandClock) -> None:
    table.words[layout.LEASE_UNTIL] = clock() + 2
    assert table.leased()
    clock.advance(2)
    assert not table.leased()


@pytest.mark.parametrize("count", [1024, 2**16, 2**20])
def test_a_slot_has_its_place_in_a_table_of_any_size(directory: Path, count: int) -> None:
    table = ChangeTable(directory, slot_count=count)
    places = [table.index(slot) for slot in (*range(3000), 2**32 - 1, 2**31, count, count + 1)]
    assert places[:2] == [slots.EPOCH, slots.ANY]
    assert all(slots.FIRST_HASHED <= place < count for place in places[2:])


def test_a_table_keeps_its_size_whatever_the_settings_say_next(directory: Path) -> None:
    first = ChangeTable(directory, slot_count=2048)
    second = ChangeTable(directory, slot_count=1024)
    second.apply(Change((EVENT,)))
    assert first.id == second.id
    assert first.changed[first.index(EVENT)]


@pytest.mark.parametrize("count", [0, 512, 1000, 1025])
def test_a_size_that_is_no_power_of_two_is_refused(directory: Path, count: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        ChangeTable(directory, slot_count=count)
    assert not (directory / FILE_NAME).exists()


def test_all_processes_see_one_table(directory: Path, workers: Workers) -> None:
    table = ChangeTable(directory, slot_count=SMALL)
    before = table.clock()
    assert workers.start().run(apply_in, directory, Change((EVENT,)))
    assert not table.fresh(before, table.indexes((EVENT,)))


def test_of_many_processes_that_open_a_new_node_one_makes_the_table(
    directory: Path, workers: Workers
) -> None:
    opening = [workers.start() for _ in range(4)]
    for worker in opening:
        worker.begin(ident, directory)
    assert len({worker.result() for worker in opening}) == 1
    assert [path.name for path in directory.glob("changes-*")] == [FILE_NAME]


def test_a_process_that_stopped_with_the_lock_keeps_nobody_from_opening(
    table: ChangeTable, directory: Path
) -> None:
    with MachineLock(table.lock.path).held():
        assert ChangeTable(directory, slot_count=SMALL).id == table.id


def test_positions_stand_before_the_clock_is_read(directory: Path) -> None:
    seen: list[Position] = []
    database = slots.database("db")

    def look() -> int:
        seen.extend(table.positions.highest(cells) for cells in known)
        return 5_000

    known: list[Cells] = []
    table = ChangeTable(directory, slot_count=SMALL)
    table.enter(database)
    cells = table.positions.cells(database, (EVENT,))
    assert cells is not None
    known.append(cells)
    table.settle(table.positions.seen(cells), Position(9, 1, 5))
    table.clock = look
    table.apply(Change((EVENT,), positions=(Reached(database, Position(9, 1, 7), (EVENT,)),)))
    assert seen == [Position(9, 1, 7)]


def test_nothing_is_ever_fresh_again_in_a_retired_table(
    table: ChangeTable, clock: HandClock
) -> None:
    table.words[layout.LEASE_UNTIL] = NEVER
    assert not table.is_retired
    table.retire()
    assert table.is_retired
    assert not table.leased()
    table.forget_everything()
    clock.now = NEVER - 1
    assert not table.fresh(clock(), ())
