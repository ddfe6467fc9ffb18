from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nothing_shared.bus.ring import FILE_NAME, RECORD, Lapped, Ring, _create
from tests.node.dying import deaths
from tests.node.workers import Workers

SIZE = 512


@pytest.fixture
def ring(directory: Path) -> Ring:
    return Ring(directory, size=SIZE)


def append(ring: Ring, *packets: bytes) -> list[int]:
    with ring.lock.held():
        return [ring.append(packet) for packet in packets]


def read_all(ring: Ring, cursor: int) -> list[bytes]:
    packets = []
    while (found := ring.read(cursor)) is not None:
        packet, cursor = found
        packets.append(packet)
    return packets


def test_what_is_appended_is_read_in_order_by_every_reader(directory: Path) -> None:
    ring, other = Ring(directory, size=SIZE), Ring(directory, size=SIZE)
    start = ring.head
    append(ring, b"one", b"", b"three")
    append(other, b"four")
    for reader in (ring, other):
        assert read_all(reader, start) == [b"one", b"", b"three", b"four"]
        assert reader.read(reader.head) is None


def test_a_packet_may_lie_across_the_end(ring: Ring) -> None:
    for number in range(200):
        packet = bytes([number]) * (number % 60)
        (position,) = append(ring, packet)
        assert ring.read(position) == (packet, ring.head)


def test_a_reader_that_was_overtaken_is_told(ring: Ring) -> None:
    start = ring.head
    append(ring, b"first")
    while ring.head - start <= SIZE:
        assert ring.read(start) is not None
        append(ring, b"x" * 40)
    with pytest.raises(Lapped):
        ring.read(start)


def test_room_is_what_can_be_written_before_a_reader_is_overtaken(ring: Ring) -> None:
    start = ring.head
    append(ring, b"first")
    append(ring, bytes(ring.room(start) - RECORD.size))
    assert ring.room(start) == 0
    assert ring.read(start) is not None
    append(ring, b"")
    with pytest.raises(Lapped):
        ring.read(start)


def test_no_position_stands_for_nothing(ring: Ring) -> None:
    assert ring.head > 0
    with pytest.raises(Lapped):
        append(ring, b"one")
        ring.read(0)


def test_a_damaged_packet_is_not_read(ring: Ring) -> None:
    (position,) = append(ring, b"a packet")
    ring._data[position % SIZE + RECORD.size] ^= 1
    with pytest.raises(Lapped):
        ring.read(position)


def test_the_first_process_decides_on_the_size(directory: Path) -> None:
    first, second = Ring(directory, size=SIZE), Ring(directory, size=2 * SIZE)
    assert (first.size, second.size) == (SIZE, SIZE)
    assert first.id == second.id


def test_a_file_that_is_no_ring_is_replaced(directory: Path) -> None:
    (directory / FILE_NAME).write_bytes(os.urandom(5_000))
    ring = Ring(directory, size=SIZE)
    append(ring, b"one")
    assert ring.is_current()


def test_a_deleted_ring_is_no_longer_current_and_is_made_anew(ring: Ring, directory: Path) -> None:
    assert ring.is_current()
    (directory / FILE_NAME).unlink()
    assert not ring.is_current()
    successor = Ring(directory, size=SIZE)
    assert successor.id != ring.id
    append(ring, b"into the void")
    assert successor.read(successor.head) is None
    shutil.rmtree(directory)
    assert not successor.is_current()


class RingMachine(RuleBasedStateMachine):
    """The ring against a list of all that was ever appended."""

    @initialize()
    def make(self) -> None:
        self.directory = Path(mkdtemp())
        self.ring = Ring(self.directory, size=SIZE)
        self.start = self.ring.head
        self.written: list[tuple[int, bytes]] = []
        self.cursors = [self.start, self.start]

    def teardown(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    @rule(packet=st.binary(max_size=SIZE // 8))
    def write(self, packet: bytes) -> None:
        head = self.ring.head
        assert append(self.ring, packet) == [head]
        self.written.append((head, packet))

    @rule(reader=st.integers(0, 1))
    def read(self, reader: int) -> None:
        cursor = self.cursors[reader]
        kept = {position: packet for position, packet in self.written if self.is_kept(position)}
        if cursor == self.ring.head:
            assert self.ring.read(cursor) is None
        elif cursor in kept:
            packet, after = self.ring.read(cursor) or (None, 0)
            assert packet == kept[cursor]
            self.cursors[reader] = after
        else:
            with pytest.raises(Lapped):
                self.ring.read(cursor)
            self.cursors[reader] = self.ring.head

    @rule()
    def reopen(self) -> None:
        self.ring = Ring(self.directory, size=SIZE)

    def is_kept(self, position: int) -> bool:
        return self.ring.head - position <= SIZE

    @invariant()
    def positions_never_go_back(self) -> None:
        assert self.ring.head == self.start + sum(
            RECORD.size + len(packet) for _, packet in self.written
        )


TestTheRingDoesAsAListWould = RingMachine.TestCase
TestTheRingDoesAsAListWould.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None
)


def inherit_from_killed_writers(directory: Path) -> int:
    """Have writers killed on each line of an append; return how many, if the ring stays sound."""
    ring, step = Ring(directory, size=SIZE), 0
    for function in (Ring.append, Ring._write):
        append(ring, b"x" * 20)
        for step in deaths(function, lambda step: append(ring, b"never whole" * 5)):
            before = ring.head
            assert ring.read(before) is None
            append(ring, b"%d" % step)
            assert read_all(ring, before) == [b"%d" % step]
    return step


def inherit_from_killed_makers(directory: Path) -> int:
    count = 0
    for count in deaths(_create, lambda step: Ring(directory, size=SIZE)):  # noqa: B007
        ring = Ring(directory, size=SIZE)
        start = ring.head
        append(ring, b"one")
        assert read_all(ring, start) == [b"one"]
        assert sorted(path.name for path in directory.iterdir()) == [FILE_NAME, "ring.lock"]
        ring.path.unlink()
    return count


def test_a_writer_killed_on_any_line_leaves_a_sound_ring(directory: Path, workers: Workers) -> None:
    assert workers.start().run(inherit_from_killed_writers, directory) >= 3


def test_a_ring_whose_maker_was_killed_on_any_line_is_made_by_the_next(
    directory: Path, workers: Workers
) -> None:
    assert workers.start().run(inherit_from_killed_makers, directory) > 5


def write_fast(directory: Path, seconds: float) -> int:
    """Write numbered packets that vouch for themselves, as fast as it goes."""
    ring, chance, number = Ring(directory), random.Random(1), 0
    until = monotonic() + seconds
    while monotonic() < until:
        for _ in range(100):
            number += 1
            body = b"%d " % number + chance.randbytes(chance.randrange(200))
            with ring.lock.held(5):
                ring.append(body + hashlib.sha256(body).digest())
    return number


def numbers_in(packet: bytes) -> int:
    body, digest = packet[:-32], packet[-32:]
    assert hashlib.sha256(body).digest() == digest, "a torn packet"
    return int(body.partition(b" ")[0])


def test_a_reader_beside_a_fast_writer_never_gets_a_torn_packet(
    directory: Path, workers: Workers
) -> None:
    ring, writer = Ring(directory, size=8192), workers.start()
    cursor, last, laps, packets = ring.head, 0, 0, 0
    writer.begin(write_fast, directory, 0.6)
    while not writer.has_answered():
        for _ in range(100):
            try:
                found = ring.read(cursor)
            except Lapped:
                laps, cursor = laps + 1, ring.head
                continue
            if found is not None:
                number, cursor = numbers_in(found[0]), found[1]
                assert number > last
                last, packets = number, packets + 1
    print(f"{packets} of {writer.result()} packets read, overtaken {laps} times")
    assert packets
