"""A ring of packets in a file that all nodes of one machine map: no server, no socket."""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import zlib
from pathlib import Path

from nothing_shared.locks import MachineLock

__all__ = ["Lapped", "Ring"]

MAGIC = int.from_bytes(b"n0ring01", "little")
FILE_NAME = "ring-1"
"""Of this layout: releases with different ones would replace each other's without end."""
HEADER = 4096
SIZE, HEAD, OLDEST, RING_ID = 1, 2, 3, 4
RECORD = struct.Struct("<II")


class Lapped(Exception):
    """The reader was so slow that writers have overwritten what it had yet to read."""


class Ring:
    """One writer at a time, under ``lock``; any number of readers, without it.

    Positions count bytes since the ring was made and never go back. A writer first moves OLDEST
    past what it will overwrite, then writes, then moves HEAD: so one that is killed on the way has
    written nothing, and a reader that was overtaken while it copied finds out afterwards.
    """

    def __init__(self, directory: Path, *, size: int = 2**20, extra: int = 0) -> None:
        """``extra`` bytes between the header and the packets are the caller's."""
        self.path = directory / FILE_NAME
        self.lock = MachineLock(directory / "ring.lock", timeout=0.25)
        self._name = os.fspath(self.path)
        self._data_at = HEADER + extra
        with self.lock.held(2.0):
            fd = _open(self.path, self._data_at, size)
        try:
            status = os.fstat(fd)
            self._identity = (status.st_dev, status.st_ino)
            self._map = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        self._words = memoryview(self._map)[:HEADER].cast("Q")
        self.extra = memoryview(self._map)[HEADER : self._data_at]
        self._data = memoryview(self._map)[self._data_at :]
        self.size = self._words[SIZE]
        self.id = self._words[RING_ID]

    @property
    def head(self) -> int:
        """The position that the next packet gets."""
        return self._words[HEAD]

    @property
    def first(self) -> int:
        """The position of the first packet that a ring has ever held."""
        return HEADER

    @property
    def max_packet(self) -> int:
        return self.size // 8

    def room(self, cursor: int) -> int:
        """Bytes that can be written before a reader at ``cursor`` is overtaken."""
        return self.size - (self.head - cursor)

    def append(self, packet: bytes) -> int:
        """Write a packet and return its position; the caller holds the lock."""
        record = RECORD.pack(len(packet), zlib.crc32(packet)) + packet
        head = self._words[HEAD]
        end = head + len(record)
        if end > self.size:
            self._words[OLDEST] = max(self._words[OLDEST], end - self.size)
        self._write(head % self.size, record)
        self._words[HEAD] = end
        return head

    def _write(self, at: int, record: bytes) -> None:
        until_the_end = self.size - at
        self._data[at : at + len(record)] = record[:until_the_end]
        if len(record) > until_the_end:
            self._data[: len(record) - until_the_end] = record[until_the_end:]

    def read(self, cursor: int) -> tuple[bytes, int] | None:
        """Return the packet at a position and the position after it; None at the head.

        Raises Lapped if it has been overwritten.
        """
        if cursor >= self._words[HEAD]:
            return None
        length, checksum = RECORD.unpack(self._copy(cursor, RECORD.size))
        packet = self._copy(cursor + RECORD.size, min(length, self.size))
        if self._words[OLDEST] > cursor or zlib.crc32(packet) != checksum:
            raise Lapped(f"overtaken at {cursor}")
        return packet, cursor + RECORD.size + length

    def _copy(self, position: int, length: int) -> bytes:
        at = position % self.size
        copied = bytes(self._data[at : at + length])
        return (
            copied if len(copied) == length else copied + bytes(self._data[: length - len(copied)])
        )

    def is_current(self) -> bool:
        """Say whether the file at the path still is the one that is mapped."""
        try:
            status = os.stat(self._name)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity


def _open(path: Path, data_at: int, size: int) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _create(path, data_at, size)
    magic, made_size = struct.unpack("<QQ", os.pread(fd, 16, 0).ljust(16, b"\0"))
    if magic == MAGIC and os.fstat(fd).st_size == data_at + made_size:
        return fd
    os.close(fd)
    return _create(path, data_at, size)


def _create(path: Path, data_at: int, size: int) -> int:
    for left in path.parent.glob(f"{path.stem}.*.new"):  # by makers that were killed
        left.unlink()
    draft = path.with_suffix(f".{os.getpid()}.new")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, data_at + size)
        first = HEADER  # so that no position is 0, which stands for "not subscribed"
        os.pwrite(fd, struct.pack("<QQQQQ", MAGIC, size, first, first, secrets.randbits(63) | 1), 0)
        os.rename(draft, path)
    except BaseException:
        os.close(fd)
        draft.unlink(missing_ok=True)
        raise
    return fd
