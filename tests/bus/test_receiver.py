from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.bus import Gap
from nothing_shared.bus.changes import TOPIC
from nothing_shared.bus.message import Kind, Message, seal
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.signals import gap_detected, message_dropped
from nothing_shared.clock import SECOND
from nothing_shared.locks import LockTimeout, MachineLock
from nothing_shared.node import layout, slots
from nothing_shared.node.conf import NodeSettings
from nothing_shared.node.process import Node
from nothing_shared.signing import signer
from tests.node.clocks import HandClock

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")
NORTH = 11
SIGNER = signer("bus.tests", is_short=True)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_000 * SECOND)


@pytest.fixture
def node(tmp_path: Path, clock: HandClock) -> Node:
    """A node of which no process is on any bus."""
    made = Node(tmp_path / "node", NodeSettings(slots=1024, lease=2.0), clock=clock)
    made.table.lock.timeout = 0.02
    clock.advance()
    return made


@pytest.fixture
def receiver(node: Node) -> Receiver:
    return Receiver(node, SIGNER, max_pending=10)


@pytest.fixture
def gaps() -> Iterator[list[Gap]]:
    seen: list[Gap] = []

    def note(*, gap: Gap, **_: Any) -> None:
        seen.append(gap)

    gap_detected.connect(note)
    yield seen
    gap_detected.disconnect(note)


def packet(
    number: int, kind: Kind, payload: Any = None, *, sent: int = 0, origin: int = NORTH
) -> bytes:
    topic = TOPIC if kind is Kind.MESSAGE else ""
    return seal(Message(origin, number, sent, kind, topic, payload), SIGNER)


def change(number: int, *touched: int) -> bytes:
    return packet(number, Kind.MESSAGE, {"id": 100 + number, "slots": touched})


def changed(node: Node, slot: int) -> int:
    return node.table.changed[node.table.index(slot)]


def test_a_change_is_applied_and_a_second_copy_of_it_is_not(
    receiver: Receiver, node: Node, clock: HandClock, gaps: list[Gap]
) -> None:
    receiver.packet(packet(1, Kind.HELLO))
    receiver.packet(change(2, EVENT))
    first = clock()
    clock.advance()
    receiver.packet(change(2, EVENT))
    assert changed(node, EVENT) == first
    assert gaps == []


def test_a_missing_number_is_a_gap_and_everything_is_forgotten(
    receiver: Receiver, node: Node, clock: HandClock, gaps: list[Gap]
) -> None:
    receiver.packet(packet(1, Kind.HELLO))
    receiver.packet(change(4, EVENT))
    assert gaps == [Gap("missing numbers", NORTH, 2, 3)]
    assert changed(node, slots.EPOCH) == clock()
    assert node.table.words[layout.GAPS] == 1


def test_a_message_that_could_not_be_acted_on_is_acted_on_when_it_comes_again(
    receiver: Receiver, node: Node, gaps: list[Gap]
) -> None:
    receiver.packet(packet(1, Kind.HELLO))
    with MachineLock(node.directory / "changes.lock").held(), pytest.raises(LockTimeout):
        receiver.packet(change(2, EVENT))
    assert not changed(node, EVENT)
    receiver.packet(change(2, EVENT))
    assert changed(node, EVENT)
    assert gaps == []


def test_a_gap_that_could_not_be_answered_is_found_again(
    receiver: Receiver, node: Node, clock: HandClock
) -> None:
    receiver.packet(packet(1, Kind.HELLO))
    with MachineLock(node.directory / "changes.lock").held(), pytest.raises(LockTimeout):
        receiver.packet(change(4, EVENT))
    receiver.packet(change(4, EVENT))
    assert changed(node, slots.EPOCH) == clock()


def test_the_lease_counts_from_when_a_heartbeat_was_sent_and_not_from_when_it_came(
    receiver: Receiver, node: Node, clock: HandClock
) -> None:
    sent = clock() - SECOND
    receiver.packet(packet(1, Kind.HELLO, origin=node.table.id, sent=sent))
    receiver.packet(packet(2, Kind.HEARTBEAT, origin=node.table.id, sent=sent))
    receiver.lease.look([node.table.id], clock())
    receiver.extend_lease()
    assert node.table.words[layout.LEASE_UNTIL] == sent + 2 * SECOND


def test_a_lease_is_never_shortened(receiver: Receiver, node: Node, clock: HandClock) -> None:
    node.table.words[layout.LEASE_UNTIL] = clock() + 10
    receiver.extend_lease()
    assert node.table.words[layout.LEASE_UNTIL] == clock() + 10


def test_a_packet_that_nobody_signed_is_dropped_and_told_of(
    receiver: Receiver, node: Node, gaps: list[Gap]
) -> None:
    reasons: list[str] = []

    def note(*, reason: str, **_: Any) -> None:
        reasons.append(reason)

    message_dropped.connect(note)
    before = node.table.words.tobytes()
    receiver.packet(b"noise")
    receiver.packet(change(1, EVENT)[:-1])
    message_dropped.disconnect(note)
    assert len(reasons) == 2
    assert gaps == []
    assert node.table.words.tobytes() == before


def test_a_receiver_of_the_signal_that_fails_disturbs_nobody(
    receiver: Receiver, node: Node, gaps: list[Gap]
) -> None:
    def fail(**_: Any) -> None:
        raise LookupError

    gap_detected.connect(fail)
    receiver.packet(change(4, EVENT))
    gap_detected.disconnect(fail)
    assert len(gaps) == 1
    assert changed(node, EVENT)


def test_a_new_node_is_greeted_back(receiver: Receiver) -> None:
    assert not receiver.was_greeted
    receiver.packet(packet(1, Kind.HELLO))
    assert receiver.was_greeted
