from __future__ import annotations

import os
from pathlib import Path

import pytest

from nothing_shared.bus import roster
from nothing_shared.bus.errors import BusUnavailable
from nothing_shared.bus.ring import Ring
from nothing_shared.bus.roster import CELLS, SIZE, Roster
from tests.node.workers import Workers

NORTH, SOUTH = 11, 22

_rosters: dict[Path, Roster] = {}


def at(directory: Path) -> Roster:
    """Return the roster of a ring, one object a process."""
    if directory not in _rosters:
        ring = Ring(directory, extra=SIZE)
        _rosters[directory] = Roster(ring.extra, directory / "roster.lock")
    return _rosters[directory]


def take(directory: Path, origin: int) -> tuple[int, bool]:
    return at(directory).take(origin)


def leave(directory: Path, cell: int) -> bool:
    is_last = at(directory).is_last(cell)
    at(directory).leave(cell, is_last=is_last)
    return is_last


def living(directory: Path) -> set[int]:
    return {seat.origin for seat in at(directory).living()}


def test_the_first_process_of_a_node_is_new_and_the_next_joins_its_seat(
    directory: Path, workers: Workers
) -> None:
    first, second = workers.start(), workers.start()
    assert first.run(take, directory, NORTH) == (0, True)
    assert second.run(take, directory, NORTH) == (0, False)
    assert second.run(take, directory, SOUTH) == (1, True)
    assert first.run(living, directory) == {NORTH, SOUTH}


def test_a_node_lives_while_any_of_its_processes_does(directory: Path, workers: Workers) -> None:
    first, second = workers.start(), workers.start()
    first.run(take, directory, NORTH)
    second.run(take, directory, NORTH)
    assert living(directory) == {NORTH}
    first.kill()
    assert living(directory) == {NORTH}
    second.kill()
    assert living(directory) == set()
    assert [seat.origin for seat in at(directory).seats()] == [NORTH], "it said no goodbye"


def test_the_last_process_to_leave_clears_the_seat(directory: Path, workers: Workers) -> None:
    first, second = workers.start(), workers.start()
    first.run(take, directory, NORTH)
    second.run(take, directory, NORTH)
    assert first.run(leave, directory, 0) is False
    assert living(directory) == {NORTH}
    assert second.run(leave, directory, 0) is True
    assert list(at(directory).seats()) == []


def test_a_dead_nodes_seat_is_taken_by_the_next_newcomer(directory: Path, workers: Workers) -> None:
    first = workers.start()
    first.run(take, directory, NORTH)
    at(directory).note(0, roster.SEQUENCE, 99)
    first.kill()
    assert workers.start().run(take, directory, SOUTH) == (0, True)
    assert at(directory).get(0, roster.SEQUENCE) == 0


def test_a_dead_node_that_comes_back_finds_its_seat(directory: Path, workers: Workers) -> None:
    first = workers.start()
    first.run(take, directory, NORTH)
    at(directory).note(0, roster.SEQUENCE, 99)
    first.kill()
    assert workers.start().run(take, directory, NORTH) == (0, False)
    assert at(directory).get(0, roster.SEQUENCE) == 99


def test_two_nodes_of_one_process_keep_their_seats(directory: Path, workers: Workers) -> None:
    """As long as a process has not left the node whose directory was deleted."""
    worker = workers.start()
    assert worker.run(take, directory, NORTH) == (0, True)
    assert worker.run(take, directory, SOUTH) == (1, True)
    assert worker.run(living, directory) == {NORTH, SOUTH}
    assert living(directory) == {NORTH, SOUTH}
    worker.run(leave, directory, 0)
    assert living(directory) == {SOUTH}


def test_a_forked_child_has_no_part_in_its_parents_seat(directory: Path, workers: Workers) -> None:
    assert workers.start().run(fork_and_die, directory) == {NORTH}


def fork_and_die(directory: Path) -> set[int]:
    """Have a child end that inherited the roster; return who lives for another process then."""
    take(directory, NORTH)
    for look in (lambda: None, lambda: living(directory)):
        child = os.fork()
        if not child:
            _rosters.clear()
            look()
            os._exit(0)
        os.waitpid(child, 0)
    child = os.fork()
    if not child:
        _rosters.clear()
        os._exit(0 if living(directory) == {NORTH} else 1)
    return {NORTH} if not os.waitpid(child, 0)[1] else set()


def test_when_all_seats_are_taken_the_bus_is_out_of_reach(
    directory: Path, workers: Workers
) -> None:
    worker = workers.start()
    for number in range(CELLS):
        worker.run(take, directory, 100 + number)
    with pytest.raises(BusUnavailable, match=f"{CELLS} nodes"):
        take(directory, NORTH)
