"""Positions say below where a replica is too old: never too little, and not for longer than needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from nothing_shared.node import Change, Position, layout, slots
from nothing_shared.node.positions import UNKNOWN, Cells, Reached, history_of, later
from nothing_shared.node.table import ChangeTable

DB, OTHER = slots.database("db"), slots.database("other")
EVENT, USER = slots.table("db", "event"), slots.table("db", "user")
SYSTEM = 7

positions = st.one_of(
    st.just(UNKNOWN), st.builds(Position, st.integers(1, 2), st.integers(1, 3), st.integers(0, 5))
)


@pytest.fixture
def table(directory: Path) -> ChangeTable:
    made = ChangeTable(directory, slot_count=1024)
    made.enter(DB)
    return made


def at(timeline: int, lsn: int, system: int = SYSTEM) -> Position:
    return Position(system, timeline, lsn)


def cells(table: ChangeTable, *tables: int, database: int = DB) -> Cells:
    found = table.positions.cells(database, tables or None)
    assert found is not None
    return found


def floor(table: ChangeTable, *tables: int) -> Position:
    return table.positions.highest(cells(table, *tables))


def change(table: ChangeTable, position: Position, *tables: int, database: int = DB) -> None:
    table.apply(Change((EVENT,), positions=(Reached(database, position, tables),)))


def look(table: ChangeTable, position: Position, *tables: int) -> None:
    """Ask a primary that is there."""
    table.settle(table.positions.seen(cells(table, *tables)), position)


def allows(table: ChangeTable, position: Position, *tables: int) -> bool:
    return table.positions.are_reached(history_of(position), position.lsn, cells(table, *tables))


def test_nothing_is_known_of_a_database_until_its_primary_was_asked(table: ChangeTable) -> None:
    assert floor(table, EVENT) == UNKNOWN
    assert table.positions.doubtful == [DB]
    look(table, at(1, 100), EVENT)
    assert floor(table, EVENT) == at(1, 100)
    assert table.positions.doubtful == []


def test_a_change_raises_the_floor_of_its_tables_and_of_no_other(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    change(table, at(1, 200), EVENT)
    assert floor(table, EVENT) == at(1, 200)
    assert floor(table, USER) == at(1, 100)
    assert floor(table, USER, EVENT) == at(1, 200)


def test_who_does_not_know_which_tables_are_read_needs_what_any_of_them_needs(
    table: ChangeTable,
) -> None:
    look(table, at(1, 100))
    change(table, at(1, 200), EVENT)
    assert floor(table) == at(1, 200)


def test_a_change_of_nobody_knows_what_raises_all_tables(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    change(table, at(1, 200))
    assert floor(table, USER) == at(1, 200)


def test_a_floor_never_sinks_by_a_change_that_comes_late(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    for lsn in (300, 200):
        change(table, at(1, lsn), EVENT)
    assert floor(table, EVENT) == at(1, 300)


def test_a_new_timeline_counts_for_more_than_any_place_on_the_old_one(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    change(table, at(1, 900), EVENT)
    change(table, at(2, 500), EVENT)
    assert floor(table, EVENT) == at(2, 500)


def test_a_replica_on_the_old_timeline_has_not_reached_the_new_one(table: ChangeTable) -> None:
    look(table, at(2, 500), EVENT)
    assert not allows(table, at(1, 10_000), EVENT)
    assert allows(table, at(2, 500), EVENT)


def test_what_was_written_before_a_failover_is_settled_by_one_look_after_it(
    table: ChangeTable,
) -> None:
    look(table, at(1, 100), EVENT)
    change(table, at(1, 900), EVENT)
    assert not allows(table, at(2, 600), USER)
    look(table, at(2, 600), USER)
    assert allows(table, at(2, 600), EVENT)
    assert floor(table, EVENT) == at(2, 600)


def test_positions_of_another_system_can_t_be_compared(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    change(table, at(1, 1, system=8), EVENT)
    assert floor(table, EVENT) == UNKNOWN
    look(table, at(1, 1, system=8), EVENT)
    assert floor(table, EVENT) == at(1, 1, system=8)


def test_an_unknown_position_stays_until_the_primary_was_asked(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    change(table, UNKNOWN, EVENT)
    change(table, at(1, 200), EVENT)
    assert floor(table, EVENT) == UNKNOWN
    assert floor(table, USER) == at(1, 100)
    look(table, at(1, 300), EVENT)
    assert floor(table, EVENT) == at(1, 300)


def test_an_answer_settles_no_doubt_that_came_after_the_question(table: ChangeTable) -> None:
    change(table, UNKNOWN, EVENT)
    seen = table.positions.seen(cells(table, EVENT))
    change(table, UNKNOWN, EVENT)
    table.settle(seen, at(1, 100))
    assert floor(table, EVENT) == UNKNOWN


def test_a_gap_leaves_every_database_in_doubt(table: ChangeTable) -> None:
    look(table, at(1, 100), EVENT)
    table.forget_everything()
    assert floor(table, USER) == UNKNOWN
    assert table.positions.doubtful == [DB]


def test_a_primary_of_an_older_timeline_settles_nothing(table: ChangeTable) -> None:
    look(table, at(2, 500), EVENT)
    look(table, at(1, 900), EVENT)
    assert floor(table, EVENT) == at(2, 500)


def test_databases_know_nothing_of_each_other(table: ChangeTable) -> None:
    table.enter(OTHER)
    look(table, at(1, 100), EVENT)
    change(table, UNKNOWN, database=OTHER)
    assert floor(table, EVENT) == at(1, 100)
    assert table.positions.databases == [DB, OTHER]


def test_of_more_databases_than_there_is_room_for_nothing_is_known(table: ChangeTable) -> None:
    for number in range(layout.DATABASE_CELLS):
        table.enter(slots.database(f"db{number}"))
    assert table.positions.cells(slots.database("one too many"), ()) is None
    assert len(table.positions.databases) == layout.DATABASE_CELLS


@given(one=positions, other=positions, third=positions)
def test_joining_positions_takes_no_notice_of_order_or_repetition(
    one: Position, other: Position, third: Position
) -> None:
    assert later(one, other) == later(other, one)
    assert later(one, later(other, third)) == later(later(one, other), third)
    assert later(one, one) == one
