"""Who is on the ring: one cell per node, locked by each of its living processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nothing_shared.bus.errors import BusUnavailable

__all__ = ["CELLS", "SIZE", "Roster", "Seat"]

CELLS = 256
WORDS = 8
SIZE = CELLS * WORDS * 8
ORIGIN, SEQUENCE, CURSOR, TERM, BEAT = range(5)


@dataclass(frozen=True, slots=True)
class Seat:
    """A node as the roster shows it."""

    cell: int
    origin: int
    sequence: int
    cursor: int
    term: int
    beat: int


class Roster:
    """A node is on it while any of its processes lives: the kernel drops a dead one's lock.

    The locks are ``fcntl`` byte ranges, which a forked child doesn't inherit; since closing any
    descriptor of the file would drop them all, a process keeps exactly one open and never closes it.
    """

    def __init__(self, memory: memoryview, path: Path) -> None:
        self._words = memory.cast("Q")
        self._fd, self._held = _descriptor(path)

    def take(self, origin: int) -> tuple[int, bool]:
        """Sit down in this node's cell, and say whether the node was not there before.

        The caller holds the ring's lock.
        """
        cell = next((seat.cell for seat in self.seats() if seat.origin == origin), None)
        is_new = cell is None
        if cell is None:
            cell = next((cell for cell in range(CELLS) if not self._is_taken(cell)), None)
            if cell is None:
                raise BusUnavailable(f"{CELLS} nodes are on this bus, and no seat is left")
            at = cell * WORDS
            self._words[at : at + WORDS] = memoryview(bytes(WORDS * 8)).cast("Q")
            self._words[at + ORIGIN] = origin
        fcntl.lockf(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, cell)
        self._held.add(cell)
        return cell, is_new

    def is_last(self, cell: int) -> bool:
        """Say whether no other process of the node in this cell is alive."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, cell)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def leave(self, cell: int, *, is_last: bool) -> None:
        if is_last:
            self._words[cell * WORDS + ORIGIN] = 0
        self._held.discard(cell)
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, cell)

    def _is_taken(self, cell: int) -> bool:
        return bool(self._words[cell * WORDS]) and self._is_locked(cell)

    def _is_locked(self, cell: int) -> bool:
        if cell in self._held:  # asking would succeed, and drop the lock
            return True
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, cell)
        except (BlockingIOError, PermissionError):
            return True
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, cell)
        return False

    def seats(self) -> Iterator[Seat]:
        """Yield all cells that have an origin, its processes living or not."""
        for cell, origin in enumerate(self._words[ORIGIN::WORDS].tolist()):
            if origin:
                at = cell * WORDS
                yield Seat(cell, *self._words[at : at + 5].tolist())

    def living(self) -> list[Seat]:
        """Return the nodes with a living process. The caller holds the ring's lock."""
        return [seat for seat in self.seats() if self._is_locked(seat.cell)]

    def note(self, cell: int, field: int, value: int) -> None:
        self._words[cell * WORDS + field] = value

    def get(self, cell: int, field: int) -> int:
        return self._words[cell * WORDS + field]


_descriptors: dict[str, tuple[int, set[int]]] = {}


def _descriptor(path: Path) -> tuple[int, set[int]]:
    name = str(path)
    if name not in _descriptors:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _descriptors[name] = fd, set()
    return _descriptors[name]


def _let_go_in_child() -> None:
    for fd, _ in _descriptors.values():
        os.close(fd)
    _descriptors.clear()


os.register_at_fork(after_in_child=_let_go_in_child)
