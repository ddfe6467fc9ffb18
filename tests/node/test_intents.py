from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nothing_shared.node import layout, slots
from nothing_shared.node.intents import CAPACITY, Intent, Intents, Overdue
from nothing_shared.node.table import ChangeTable
from tests.node.clocks import HandClock
from tests.node.workers import Workers

SMALL = 1024
EVERY_AGE = -(2**64)

_kept: list[Intent] = []


@pytest.fixture(autouse=True)
def dropped_afterwards() -> Iterator[None]:
    yield
    _kept.clear()


@pytest.fixture
def table(directory: Path, clock: HandClock) -> ChangeTable:
    return ChangeTable(directory, slot_count=SMALL, clock=clock)


@pytest.fixture
def intents(table: ChangeTable) -> Intents:
    return Intents(table)


def claimed(intents: Intents, *touched: int) -> Intent:
    intent = intents.claim()
    assert intent is not None
    intent.note(touched)
    _kept.append(intent)
    return intent


def standing(intents: Intents) -> list[list[int]]:
    return sorted(sorted(set(overdue.slots)) for overdue in intents.overdue(EVERY_AGE))


def only(intents: Intents, patience: int = EVERY_AGE) -> Overdue:
    (overdue,) = intents.overdue(patience)
    return overdue


def leave_word(directory: Path, *touched: int) -> None:
    """Note an intent, and keep it as long as this process lives."""
    claimed(Intents(ChangeTable(directory, slot_count=SMALL)), *touched)


def leave_many(directory: Path, first: int, threads: int, each: int) -> None:
    """Note one slot in each of many intents, from many threads."""
    intents = Intents(ChangeTable(directory, slot_count=SMALL))

    def leave(start: int) -> None:
        for slot in range(start, start + each):
            claimed(intents, slot)

    running = [
        threading.Thread(target=leave, args=(first + number * each,)) for number in range(threads)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def claim_after_fork(directory: Path) -> tuple[int, bool]:
    """Have a child drop what it inherits of a standing intent; return what then still stands."""
    intents = Intents(ChangeTable(directory, slot_count=SMALL))
    claimed(intents, 5)
    child = os.fork()
    if not child:
        _kept.clear()
        os._exit(0)
    os.waitpid(child, 0)
    return intents.standing(), only(intents).is_orphaned


def test_what_is_noted_stands_until_it_is_given_back(intents: Intents) -> None:
    intent = claimed(intents, 5, 6)
    intent.note((6, 7))
    assert standing(intents) == [[5, 6, 7]]
    assert intents.standing() == 1
    intents.give_back(intent)
    assert intents.standing() == 0
    assert standing(intents) == []


def test_a_slot_named_twice_does_not_hide_the_next_one(intents: Intents) -> None:
    claimed(intents, 5, 5, 6, 7, 6, 8)
    assert standing(intents) == [[5, 6, 7, 8]]


def test_nothing_noted_is_nothing_intended(intents: Intents) -> None:
    claimed(intents)
    assert standing(intents) == []


@pytest.mark.parametrize("lot", [1, 7, CAPACITY, CAPACITY + 1, 500])
def test_an_intent_of_more_slots_than_it_holds_is_to_change_everything(
    intents: Intents, lot: int
) -> None:
    intent = claimed(intents)
    for start in range(10, 10 + CAPACITY + lot, lot):
        intent.note(range(start, start + lot))
    (noted,) = standing(intents)
    assert slots.EPOCH in noted
    assert len(noted) <= CAPACITY


def test_an_intent_that_is_full_is_not_yet_everything(intents: Intents) -> None:
    claimed(intents, *range(10, 10 + CAPACITY))
    assert standing(intents) == [list(range(10, 10 + CAPACITY))]


def test_a_full_intent_stays_one_for_everything_whatever_is_added(intents: Intents) -> None:
    intent = claimed(intents, *range(10, 10 + CAPACITY + 1))
    for slot in range(1000, 1200):
        intent.note((slot,))
        assert slots.EPOCH in standing(intents)[0]


def test_a_process_uses_its_cells_again(intents: Intents) -> None:
    for _ in range(2 * layout.INTENT_CELLS):
        intents.give_back(claimed(intents, 5))
    claimed(intents, 5)
    assert only(intents).cell == 0


def test_a_writer_that_takes_too_long_is_overdue_and_not_orphaned(
    intents: Intents, clock: HandClock
) -> None:
    claimed(intents, 5)
    clock.advance(100)
    assert list(intents.overdue(100)) == []
    clock.advance()
    overdue = only(intents, 100)
    assert (overdue.slots, overdue.age, overdue.is_orphaned) == ((5,), 101, False)


def test_age_counts_from_the_first_note(intents: Intents, clock: HandClock) -> None:
    intent = claimed(intents, 5)
    clock.advance(100)
    intent.note((6,))
    assert only(intents).age == 100


def test_an_intent_says_which_database_session_it_stands_for(intents: Intents) -> None:
    intent = intents.claim()
    assert intent is not None
    intent.note((5,), session=42, database=7)
    intent.note((6,), session=43, database=8)
    overdue = only(intents)
    assert (overdue.session, overdue.database) == (42, 7)


def test_the_intent_of_a_killed_process_is_orphaned(
    intents: Intents, directory: Path, workers: Workers
) -> None:
    writer = workers.start()
    writer.run(leave_word, directory, 5, 6)
    assert not only(intents).is_orphaned
    writer.kill()
    overdue = only(intents, 10**18)
    assert overdue.is_orphaned
    assert sorted(overdue.slots) == [5, 6]


def test_a_process_that_got_a_dead_ones_number_is_not_mistaken_for_it(
    table: ChangeTable, intents: Intents
) -> None:
    intent = claimed(intents, 5)
    started = intent._base + layout.CELL_STARTED
    table.words[started] -= 1  # it was another process, which began a clock tick earlier
    assert only(intents).is_orphaned


def test_a_buried_cell_can_be_claimed_by_others(
    intents: Intents, directory: Path, workers: Workers
) -> None:
    writer = workers.start()
    writer.run(leave_word, directory, 5)
    writer.kill()
    buried = only(intents)
    intents.bury(buried)
    assert standing(intents) == []
    claimed(intents, 6)
    assert only(intents).cell == buried.cell


def test_nobody_buries_the_intent_of_a_living_process(intents: Intents) -> None:
    claimed(intents, 5)
    intents.bury(only(intents))
    assert standing(intents) == [[5]]


def test_a_cell_whose_intent_stands_is_nobody_elses_even_when_its_owner_is_dead(
    intents: Intents, directory: Path, workers: Workers
) -> None:
    writer = workers.start()
    writer.run(leave_word, directory, 5)
    writer.kill()
    claimed(intents, 6)
    assert standing(intents) == [[5], [6]]


def test_an_intent_handed_over_is_the_agents_to_bury(intents: Intents, table: ChangeTable) -> None:
    intent = intents.claim()
    assert intent is not None
    intent.note((5,), session=42)
    intent.hand_over()
    overdue = only(intents, 10**18)
    assert (overdue.is_orphaned, overdue.session) == (True, 0)
    intents.bury(overdue)
    assert standing(intents) == []


def test_an_intent_that_nobody_holds_any_more_is_handed_over(intents: Intents) -> None:
    claimed(intents, 5)
    assert not only(intents).is_orphaned
    _kept.clear()
    assert only(intents).is_orphaned


def test_a_forked_child_hands_nothing_over_of_its_parents(
    directory: Path, workers: Workers
) -> None:
    assert workers.start().run(claim_after_fork, directory) == (1, False)


def test_when_all_cells_are_taken_there_is_none(
    intents: Intents, directory: Path, workers: Workers
) -> None:
    workers.start().run(leave_many, directory, 10, 1, layout.INTENT_CELLS - 1)
    last = claimed(intents, 5)
    assert intents.claim() is None
    intents.give_back(last)
    assert intents.claim() is not None


def test_threads_and_processes_that_claim_at_once_never_share_a_cell(
    intents: Intents, directory: Path, workers: Workers
) -> None:
    processes, threads, each = 3, 4, 8
    running = [workers.start() for _ in range(processes)]
    for number, worker in enumerate(running):
        worker.begin(leave_many, directory, 10 + number * threads * each, threads, each)
    for worker in running:
        worker.result()
    expected = [[slot] for slot in range(10, 10 + processes * threads * each)]
    assert standing(intents) == expected
