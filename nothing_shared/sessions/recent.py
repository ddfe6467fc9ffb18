"""The last data that this machine made of a session, so that two requests at a time lose nothing.

A file of cells that all workers of the node map: a token stands in the cell of its session's id, until
that of another session takes the place. Nobody needs it: what is torn, damaged or gone is a token that
doesn't verify, or an older one, and then the last writer wins.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nothing_shared.locks import LockTimeout, MachineLock
from nothing_shared.sessions.jar import MAX_COOKIE

__all__ = ["Recent"]

FILE_NAME = "sessions.recent"
CELLS = 1024
SID, LENGTH = 16, 2
CELL = 8192
MOST = 2 * MAX_COOKIE - SID - LENGTH


class Recent:
    """The cells of one node directory; raises OSError where there is no room for them."""

    def __init__(self, directory: Path) -> None:
        self._lock = MachineLock(directory / "sessions.lock")
        fd = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < CELLS * CELL:
                _reserve(fd)
            self._map = mmap.mmap(fd, CELLS * CELL)
        finally:
            os.close(fd)

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Exclude other writers for a block; False if they take too long, and then it is on its own."""
        try:
            self._lock.acquire(0.5)
        except (LockTimeout, OSError):
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()

    def get(self, sid: bytes) -> str | None:
        """Return the token last put under an id, unverified."""
        at = self._cell(sid)
        head = self._map[at : at + SID + LENGTH]
        if head[:SID] != sid:
            return None
        length = min(int.from_bytes(head[SID:], "little"), MOST)
        start = at + SID + LENGTH
        return self._map[start : start + length].decode("ascii", "replace")

    def put(self, sid: bytes, text: str) -> None:
        data = text.encode()
        if len(data) > MOST:
            data = b""
        at = self._cell(sid)
        self._map[at : at + SID + LENGTH + len(data)] = (
            sid + len(data).to_bytes(LENGTH, "little") + data
        )

    def _cell(self, sid: bytes) -> int:
        return int.from_bytes(sid[8:12], "little") % CELLS * CELL


def _reserve(fd: int) -> None:
    """Take the room now: a full disk is an error here, and would kill the process that maps it later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, CELLS * CELL)
    else:
        os.pwrite(fd, bytes(CELLS * CELL), 0)
