"""Floors rise, whatever the order in which they become known; a look at the primary lowers what is lost."""

from __future__ import annotations

from hypothesis import given, strategies as st

from nothing_shared.causality.floors import ALL, EVERY_DATABASE, MOST_TABLES, Floors
from nothing_shared.node.positions import UNKNOWN, Position, Reached, later

DB, OTHER = 11, 12
EVENT, USER = 21, 22

positions = st.one_of(
    st.just(UNKNOWN), st.builds(Position, st.integers(1, 2), st.integers(1, 2), st.integers(0, 9))
)
tables = st.lists(st.sampled_from([EVENT, USER]), unique=True, max_size=2).map(tuple)
reached = st.builds(Reached, st.sampled_from([DB, OTHER]), positions, tables)


def at(lsn: int, timeline: int = 1) -> Position:
    return Position(7, timeline, lsn)


def test_the_floor_of_a_statement_is_the_highest_of_its_tables() -> None:
    floors = Floors([Reached(DB, at(5), (EVENT,)), Reached(DB, at(9), (USER,))])
    assert floors.of(DB, (EVENT,)) == at(5)
    assert floors.of(DB, (EVENT, USER)) == at(9)
    assert floors.of(DB, None) == at(9)
    assert floors.of(DB, (99,)) is None
    assert floors.of(OTHER, None) is None


def test_a_write_of_nobody_knows_what_counts_for_every_table() -> None:
    floors = Floors([Reached(DB, at(5)), Reached(DB, at(3), (EVENT,))])
    assert floors.of(DB, (EVENT,)) == floors.of(DB, (USER,)) == at(5)


def test_past_so_many_tables_all_count() -> None:
    floors = Floors(Reached(DB, at(number), (100 + number,)) for number in range(MOST_TABLES + 1))
    assert floors.by_database[DB] == {ALL: at(MOST_TABLES)}


def test_who_wrote_more_databases_than_can_be_told_apart_needs_primaries() -> None:
    assert Floors([Reached(EVERY_DATABASE, UNKNOWN)]).of(DB, (EVENT,)) == UNKNOWN


def test_a_look_replaces_what_can_t_be_compared_and_nothing_else() -> None:
    floors = Floors([Reached(DB, at(900), (EVENT,)), Reached(DB, at(5, timeline=2), (USER,))])
    assert floors.settle(DB, at(7, timeline=2))
    assert floors.of(DB, (EVENT,)) == at(7, timeline=2)
    assert not floors.settle(DB, at(8, timeline=2))
    assert floors.of(DB, (EVENT,)) == at(7, timeline=2)


def test_a_look_at_a_replaced_primary_replaces_nothing() -> None:
    floors = Floors([Reached(DB, at(5, timeline=2), (EVENT,))])
    assert not floors.settle(DB, at(900))
    assert floors.of(DB, (EVENT,)) == at(5, timeline=2)


@given(st.lists(reached, max_size=6), st.randoms())
def test_neither_order_nor_repetition_counts(given_floors: list[Reached], chance: object) -> None:
    shuffled = [*given_floors, *given_floors]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Floors(given_floors), Floors(shuffled)
    for database in (DB, OTHER):
        for asked in ((EVENT,), (USER,), (EVENT, USER), None):
            assert one.of(database, asked) == other.of(database, asked)


@given(st.lists(reached, max_size=6))
def test_what_a_ticket_says_of_them_is_never_less(given_floors: list[Reached]) -> None:
    one = Floors(given_floors)
    carried = Floors(one.reached())
    for asked in ((EVENT,), (USER,), None):
        known, said = one.of(DB, asked), carried.of(DB, asked)
        assert known is None or (said is not None and later(known, said) == said)
