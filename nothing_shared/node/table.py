"""The change table: when each slot last changed, in memory that all workers of a node map."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from nothing_shared.clock import NEVER, Clock, boot_id, boottime_ns
from nothing_shared.locks import LockTimeout, MachineLock
from nothing_shared.node import layout, slots
from nothing_shared.node.change import Change
from nothing_shared.node.positions import Position, Positions, Seen

__all__ = ["ChangeTable"]

FILE_NAME = f"changes-{layout.VERSION}.table"

PATIENCE = 5.0
"""Seconds that a process waits for who is making a table: nothing can be cached without."""


class ChangeTable:
    """Answers "has any of these slots changed since?" without a lock, and takes changes under one.

    The file is made whole under another name and moved into place, is never truncated or shrunk
    (that would kill every process that maps it), and its disk space is reserved at birth, so that
    a full disk is an error then and not a SIGBUS later. It is void on another boot.
    """

    def __init__(self, directory: Path, *, slot_count: int = 2**20, clock: Clock = boottime_ns):
        self.path = directory / FILE_NAME
        self.clock = clock
        self.lock = MachineLock(directory / "changes.lock")
        self.lock.open()
        fd = _open(self.path)  # it is there as a whole or not at all, whoever holds the lock
        if fd is None:
            fd = self._made(slot_count)
        try:
            self._identity = _identity(os.fstat(fd))
            self._map = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        self.words = memoryview(self._map).cast("Q")
        self.changed = self.words[layout.CHANGED :]
        self.positions = Positions(self.words)
        self.id = self.words[layout.TABLE_ID]
        self._mask = self.words[layout.SLOTS] - 1

    def _made(self, slot_count: int) -> int:
        """Open the table, and make it unless another process has done so by now."""
        with self.lock.held(PATIENCE):
            fd = _open(self.path)
            if fd is None:
                _create(self.path, slot_count, self.clock())
                fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        return fd

    def index(self, slot: int) -> int:
        """Place a 32-bit slot in this table; other tables may be larger or smaller."""
        if slot < slots.FIRST_HASHED:
            return slot
        place = slot & self._mask
        return place if place >= slots.FIRST_HASHED else place + slots.FIRST_HASHED

    def indexes(self, touched: Iterable[int]) -> tuple[int, ...]:
        return tuple({self.index(slot) for slot in touched})

    def fresh(self, begun: int, indexes: Iterable[int]) -> bool:
        """Say whether nothing read from ``begun`` on has changed since; says nothing of the lease."""
        changed = self.changed
        if changed[slots.EPOCH] >= begun:
            return False
        return all(changed[index] < begun for index in indexes)

    def leased(self) -> bool:
        """Say whether this node is known to hear changes."""
        until = self.words[layout.LEASE_UNTIL]
        return self.clock() < until

    def apply(
        self,
        change: Change,
        *,
        known: dict[int, int] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Take in a change once and return when; 0 if this id was taken in before.

        ``known`` maps places in the table to the times since when its owner knows them: those that
        this change touches, and nobody else has since then, are known from after the change on.

        Raises LockTimeout if the table's lock can't be had, in which case nothing was changed.
        """
        words, changed = self.words, self.changed
        with self.lock.held(timeout):
            cell = layout.APPLIED + change.id % layout.APPLIED_CELLS
            if words[cell] == change.id:
                return 0
            for reached in change.positions:
                self.positions.raise_to(reached)
            if slots.EPOCH in change.slots and not change.positions:
                self.positions.doubt_everything()
            # Positions stand before the clock is read, so that a fill that begins in between meets
            # the new floor; the id is stored last, so that a killed writer's change is taken again.
            now = self.clock()
            for index in (slots.ANY, *map(self.index, change.slots)):
                if known is not None and changed[index] < known.get(index, 0):
                    known[index] = now + 1
                if changed[index] < now:
                    changed[index] = now
            words[cell] = change.id
            if slots.EPOCH in change.slots:
                words[layout.EPOCHS] += 1
        return now

    def forget_everything(self) -> None:
        """Begin a new epoch: nothing that any worker of this node holds is fresh any more."""
        self.apply(Change((slots.EPOCH,)))

    def enter(self, database: int) -> None:
        """Keep positions of a database from now on; raises LockTimeout."""
        with self.lock.held():
            self.positions.enter(database)

    def settle(self, seen: Seen, position: Position) -> None:
        """Take in what a primary said after these cells were seen; raises LockTimeout."""
        with self.lock.held():
            self.positions.settle(seen, position)

    def is_current(self) -> bool:
        """Say whether the file at the path still is the one that is mapped."""
        try:
            return _identity(self.path.stat()) == self._identity
        except OSError:
            return False

    def retire(self) -> None:
        """Make everything stale for good: another table stands in this one's place."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(LockTimeout, OSError):  # or an apply in between undid it
                stack.enter_context(self.lock.held())
            self.words[layout.LEASE_UNTIL] = 0
            self.changed[slots.EPOCH] = NEVER

    @property
    def is_retired(self) -> bool:
        return self.changed[slots.EPOCH] == NEVER


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _boot_word() -> int:
    return int.from_bytes(hashlib.sha256(boot_id().encode()).digest()[:8], "little")


def _open(path: Path) -> int | None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    header = memoryview(os.pread(fd, 4096, 0).ljust(4096, b"\0")).cast("Q")
    sound = (
        header[0] == layout.MAGIC
        and header[1] == layout.VERSION
        and header[layout.BOOT] == _boot_word()
        and os.fstat(fd).st_size == layout.file_size(header[layout.SLOTS])
    )
    if sound:
        return fd
    os.close(fd)
    return None


def _create(path: Path, slot_count: int, now: int) -> None:
    if slot_count < 1024 or slot_count & (slot_count - 1):
        raise ValueError(f"slot_count={slot_count!r} must be a power of two, 1024 or more")
    header = memoryview(bytearray(4096)).cast("Q")
    header[0], header[1] = layout.MAGIC, layout.VERSION
    header[layout.SLOTS] = slot_count
    header[layout.TABLE_ID] = secrets.randbits(63) | 1
    header[layout.BOOT] = _boot_word()
    header[layout.CREATED] = now
    for left in path.parent.glob(f"{path.stem}.*.new"):  # by makers that were killed
        left.unlink()
    draft = path.with_suffix(f".{os.getpid()}.new")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _reserve(fd, layout.file_size(slot_count))
        os.pwrite(fd, header, 0)
        os.pwrite(fd, now.to_bytes(8, "little"), (layout.CHANGED + slots.EPOCH) * 8)
        os.rename(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _reserve(fd: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
    else:
        os.pwrite(fd, bytes(size), 0)
