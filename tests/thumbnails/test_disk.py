from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nothing_shared.thumbnails.disk import Disk
from nothing_shared.thumbnails.entries import Entry, digest, key_of

MIB = 2**20


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk(tmp_path: Path, clock: Clock) -> Disk:
    return Disk(tmp_path / "drawn", max_bytes=MIB, clock=clock)


def put(disk: Disk, name: str, data: bytes) -> Entry:
    key = key_of(name)
    entry = Entry(1, 2, "source", file=f"{key}.{digest(data)[:8]}.jpeg", size=len(data))
    assert disk.put(key, entry, data)
    return entry


def files(disk: Disk) -> list[Path]:
    return [file for file in disk.directory.glob("??/*") if file.is_file()]


def test_what_is_kept_is_found_and_plain(disk: Disk) -> None:
    entry = put(disk, "a", b"picture")
    assert disk.find(key_of("a")) == entry
    assert Path(disk.path(key_of("a"), entry)).read_bytes() == b"picture"
    assert disk.read(key_of("a"), entry) == b"picture"
    assert disk.find(key_of("b")) is None


def test_what_is_replaced_leaves_no_file_behind(disk: Disk) -> None:
    put(disk, "a", b"one")
    put(disk, "a", b"two")
    put(disk, "a", b"two")
    assert sorted(file.suffix for file in files(disk)) == [".jpeg", ".json"]


def test_what_was_used_least_recently_is_given_up_first(disk: Disk, clock: Clock) -> None:
    for number in range(100):
        clock.now += 100
        entry = put(disk, str(number), bytes(4000))
        file = Path(disk.path(key_of(str(number)), entry))
        for each in file.parent.glob(f"{key_of(str(number))}*"):
            os.utime(each, (clock.now, clock.now))
    clock.now += 100
    first = disk.find(key_of("0"))
    assert first is not None and disk.read(key_of("0"), first) is not None
    disk.trim(0.2)
    assert disk.find(key_of("0")) == first and disk.read(key_of("0"), first) is not None
    assert disk.find(key_of("1")) is None
    assert disk.find(key_of("99")) is not None
    assert disk.usage().bytes <= MIB * 0.2


def test_a_record_alone_is_refused_and_a_short_file_is_forgotten(disk: Disk) -> None:
    entry = put(disk, "a", b"picture")
    path = Path(disk.path(key_of("a"), entry))
    for harm in (lambda: path.write_bytes(b""), path.unlink):
        put(disk, "a", b"picture")
        harm()
        assert not disk.is_whole(key_of("a"), entry)
        assert disk.read(key_of("a"), entry) is None
        assert disk.find(key_of("a")) is None


@pytest.mark.parametrize(
    "record", [b"", b"[]", b"{}", b'{"layout": 2}', b"\xff", b'{"layout":1,"x":2}']
)
def test_a_record_of_another_release_is_none(record: bytes) -> None:
    assert Entry.decode(record) is None


def test_a_record_is_read_as_it_was_written() -> None:
    entry = Entry(2**63, 5, "s", file="f", size=3, etag="e", reason="ü", until=9, status=404)
    assert Entry.decode(entry.encode()) == entry
    assert entry.is_refusal and not replace(entry, status=200).is_refusal


def test_nothing_raises_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    disk = Disk(tmp_path / "file" / "drawn", max_bytes=MIB)
    entry = Entry(1, 2, "s", file="x.jpeg", size=1)
    assert not disk.put(key_of("a"), entry, b"x")
    assert disk.find(key_of("a")) is None and disk.read(key_of("a"), entry) is None
    disk.renew(key_of("a"), entry)
    disk.forget(key_of("a"), entry)
    assert disk.usage().bytes == 0


def test_what_is_larger_than_the_bound_is_not_kept(disk: Disk) -> None:
    entry = Entry(1, 2, "s", file="x.jpeg", size=2 * MIB)
    assert not disk.put(key_of("a"), entry, bytes(2 * MIB))


def test_clear_empties_it_and_says_what_was_there(disk: Disk) -> None:
    put(disk, "a", b"one")
    disk.put(key_of("b"), Entry(1, 2, "", status=404))
    usage = disk.clear()
    assert (usage.thumbnails, usage.records) == (1, 1)
    assert not files(disk)


def test_what_others_are_about_to_write_is_counted_and_not_exceeded(disk: Disk) -> None:
    size = 600_000
    draft = disk._reserve(disk.path(key_of("a"), Entry(1, 2, "s", file="a.jpeg", size=size)), size)
    assert disk.trim().bytes >= size
    entry = Entry(1, 2, "s", file="b.jpeg", size=size)
    assert not disk.put(key_of("b"), entry, bytes(size)), "there is no room for both"
    draft.finish(bytes(size))
    assert disk.usage().bytes <= MIB


def test_a_draft_says_nothing_by_its_length_before_it_is_whole(disk: Disk) -> None:
    """Or what a power cut leaves of it is as long as a thumbnail, and full of zeros."""
    disk._reserve(disk.path(key_of("a"), Entry(1, 2, "s", file="a.jpeg", size=9000)), 9000)
    (draft,) = files(disk)
    assert draft.name.endswith(".9000.new")
    assert draft.stat().st_size == 0
    assert disk.usage().bytes == 3 * 4096 + 4096


def test_a_write_that_fails_leaves_no_draft(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError

    put(disk, "b", b"opens the lock")
    disk.clear()
    monkeypatch.setattr(os, "rename", fail)
    entry = Entry(1, 2, "s", file="a.jpeg", size=9000)
    before = len(os.listdir("/proc/self/fd"))
    assert not disk.put(key_of("a"), entry, bytes(9000))
    assert not files(disk)
    assert len(os.listdir("/proc/self/fd")) == before


WRITER = """
import sys
from pathlib import Path
from random import Random
from nothing_shared.thumbnails.disk import Disk
from nothing_shared.thumbnails.entries import Entry, key_of
disk, random = Disk(Path(sys.argv[1]), max_bytes=2**20), Random(sys.argv[2])
for number in range(250):
    key = key_of(sys.argv[2], str(number))
    data = random.randbytes(random.randrange(1, 8000))
    disk.put(key, Entry(1, 2, "", file=f"{key}.x.jpeg", size=len(data)), data)
    if number % 50 == 0:
        with disk._lock.held(30):
            assert disk.usage().bytes <= 2**20, disk.usage()
"""


@pytest.mark.slow
def test_four_processes_that_write_ten_times_the_bound_stay_within_it(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "drawn"), str(number)])
        for number in range(4)
    ]
    assert [writer.wait(300) for writer in writers] == [0] * 4
    disk = Disk(tmp_path / "drawn", max_bytes=MIB)
    assert 0 < disk.usage().bytes <= MIB
