from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from nothing_shared.bus.ledger import Gap, Ledger
from nothing_shared.bus.message import Kind, Message
from nothing_shared.node import layout
from nothing_shared.node.peers import Peers
from nothing_shared.node.table import ChangeTable

NORTH, SOUTH = 11, 22


class Numbers(dict[int, int]):
    """The ledger's memory, without a change table."""

    def __iter__(self) -> Iterator[int]:
        return iter(list(self.keys()))

    def discard(self, origin: int) -> None:
        self.pop(origin, None)


def said(origin: int, number: int, kind: Kind = Kind.MESSAGE) -> Message:
    return Message(origin, number, 0, kind)


def hear(ledger: Ledger, message: Message) -> tuple[bool, Gap | None]:
    """Do as the receiver does with one message; return whether it was taken, and the gap before it."""
    if not ledger.is_new(message):
        return False, None
    gap = ledger.gap_before(message)
    ledger.heard(message)
    return True, gap


def covered(gap: Gap) -> set[int]:
    assert gap.last is not None
    return set(range(gap.first or 1, gap.last + 1))


FATES = st.lists(st.sampled_from(["heard", "lost", "twice"]), min_size=1, max_size=12)
SPEECHES = st.dictionaries(st.sampled_from([NORTH, SOUTH]), FATES, min_size=1)


@given(fates=SPEECHES, data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_number_is_heard_once_or_lies_in_a_gap_and_no_gap_is_false(
    fates: dict[int, list[str]], data: Any
) -> None:
    ledger, taken = Ledger(Numbers()), Counter[tuple[int, int]]()
    missing: dict[int, set[int]] = {origin: set() for origin in fates}
    for message in interleaved(fates, data):
        was_new, gap = hear(ledger, message)
        taken[message.origin, message.sequence] += was_new
        if gap is not None:
            assert gap.origin == message.origin
            missing[message.origin] |= covered(gap)
    for origin, numbers in fates.items():
        tail = ledger.tail_gap(origin, len(numbers))
        if tail is not None:
            missing[origin] |= covered(tail)
        lost = {number for number, fate in enumerate(numbers, 1) if fate == "lost"}
        if len(lost) < len(numbers):  # else nobody knows of this node yet
            assert missing[origin] == lost
        for number, fate in enumerate(numbers, 1):
            assert taken[origin, number] == (fate != "lost")


def interleaved(fates: dict[int, list[str]], data: Any) -> Iterator[Message]:
    """Yield what arrives of each node's messages, in order but for what comes a second time."""
    arriving = {
        origin: [
            said(origin, number, Kind.HELLO if number == 1 else Kind.MESSAGE)
            for number, fate in enumerate(numbers, 1)
            if fate != "lost"
        ]
        for origin, numbers in fates.items()
    }
    again: list[Message] = []
    while any(arriving.values()):
        origin = data.draw(st.sampled_from([name for name, left in arriving.items() if left]))
        message = arriving[origin].pop(0)
        yield message
        if fates[origin][message.sequence - 1] == "twice":
            again.append(message)
        if again and data.draw(st.booleans()):
            yield again.pop(0)
    yield from again


@given(order=st.permutations(range(1, 8)))
@settings(max_examples=60, deadline=None)
def test_in_whatever_order_they_come_no_number_goes_missing_unnoticed(order: list[int]) -> None:
    ledger, known = Ledger(Numbers()), set[int]()
    for number in order:
        was_new, gap = hear(ledger, said(NORTH, number))
        if was_new:
            known.add(number)
        if gap is not None and gap.last:
            known |= covered(gap)
    assert known == set(range(1, 8))


def test_a_node_that_says_hello_is_no_gap() -> None:
    assert hear(Ledger(Numbers()), said(NORTH, 1, Kind.HELLO)) == (True, None)
    assert hear(Ledger(Numbers()), said(NORTH, 57, Kind.HELLO)) == (True, None)


def test_a_node_that_did_not_say_hello_is_a_gap() -> None:
    _, gap = hear(Ledger(Numbers()), said(NORTH, 5))
    assert gap == Gap("an unknown node", NORTH, None, 4)


def test_the_hello_of_a_node_known_already_hides_no_loss() -> None:
    ledger = Ledger(Numbers())
    ledger.begin({NORTH: 3})
    assert hear(ledger, said(NORTH, 4, Kind.HELLO)) == (True, None)
    _, gap = hear(ledger, said(NORTH, 6, Kind.HELLO))
    assert gap == Gap("missing numbers", NORTH, 5, 5)


def test_a_last_message_that_was_lost_is_found_by_the_number_its_sender_reached() -> None:
    ledger = Ledger(Numbers())
    hear(ledger, said(NORTH, 1, Kind.HELLO))
    assert ledger.tail_gap(NORTH, 1) is None
    assert ledger.tail_gap(NORTH, 3) == Gap("missing last numbers", NORTH, 2, 3)
    assert ledger.tail_gap(SOUTH, 3) is None


def test_a_node_that_said_goodbye_is_forgotten_without_a_gap() -> None:
    ledger = Ledger(Numbers())
    hear(ledger, said(NORTH, 1, Kind.HELLO))
    hear(ledger, said(NORTH, 2, Kind.BYE))
    assert ledger.vanished(set()) == []
    assert hear(ledger, said(NORTH, 3, Kind.HELLO)) == (True, None)


def test_a_lost_message_before_a_goodbye_is_a_gap() -> None:
    ledger = Ledger(Numbers())
    hear(ledger, said(NORTH, 1, Kind.HELLO))
    assert hear(ledger, said(NORTH, 3, Kind.BYE))[1] == Gap("missing numbers", NORTH, 2, 2)


def test_a_node_that_leaves_without_a_goodbye_is_a_gap_once() -> None:
    ledger = Ledger(Numbers())
    ledger.begin({NORTH: 3, SOUTH: 9})
    assert ledger.vanished({SOUTH}) == [Gap("a node vanished without a goodbye", NORTH)]
    assert ledger.vanished({SOUTH}) == []


def test_what_a_gap_has_told_of_is_no_gap_again() -> None:
    ledger = Ledger(Numbers())
    ledger.begin({NORTH: 3, SOUTH: 9})
    ledger.skip_to(NORTH, 5)
    assert ledger.tail_gap(NORTH, 5) is None
    assert hear(ledger, said(NORTH, 6)) == (True, None)
    assert hear(ledger, said(SOUTH, 10)) == (True, None)
    assert ledger.origins() == {NORTH, SOUTH}


def test_to_begin_is_to_know_these_nodes_and_no_others() -> None:
    ledger = Ledger(Numbers())
    ledger.begin({NORTH: 3})
    ledger.begin({SOUTH: 9})
    assert hear(ledger, said(SOUTH, 10)) == (True, None)
    assert hear(ledger, said(NORTH, 4))[1] is not None


def test_the_heir_of_an_agent_knows_what_it_heard(tmp_path: Path) -> None:
    table = ChangeTable(tmp_path, slot_count=1024)
    first = Ledger(Peers(table))
    hear(first, said(NORTH, 1, Kind.HELLO))
    hear(first, said(SOUTH, 1, Kind.HELLO))
    hear(first, said(NORTH, 2))
    hear(first, said(SOUTH, 2, Kind.BYE))
    heir = Ledger(Peers(table))
    assert hear(heir, said(NORTH, 2)) == (False, None)
    assert hear(heir, said(NORTH, 3)) == (True, None)
    assert hear(heir, said(SOUTH, 3))[1] is not None


def test_a_number_stored_for_another_node_is_not_believed(tmp_path: Path) -> None:
    """An agent that was stopped while it stored one wakes up when the cell is another node's."""
    table = ChangeTable(tmp_path, slot_count=1024)
    numbers = Peers(table)
    numbers[NORTH] = 5
    table.words[layout.PEERS + 1], table.words[layout.PEERS + 2] = 5_000, 5_000 ^ SOUTH
    assert numbers.get(NORTH) == 5
    assert Peers(table).get(NORTH) == 0, "to its heir it is a node of which all is missing"


def test_cells_of_nodes_that_left_are_used_again(tmp_path: Path) -> None:
    numbers = Peers(ChangeTable(tmp_path, slot_count=1024))
    for origin in range(1, 3 * layout.PEER_CELLS):
        numbers[origin] = origin
        numbers.discard(origin)
    numbers[NORTH] = 1
    assert list(numbers) == [NORTH]
