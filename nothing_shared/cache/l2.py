"""L2: the tier that all processes of a machine share, in LMDB, bounded in bytes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import lmdb

from nothing_shared.cache.keeper import keeper_of
from nothing_shared.cache.writing import Writing
from nothing_shared.locks import LockTimeout, MachineLock

__all__ = ["L2", "Stats"]

LEAST_BYTES = 2**19

ATTEMPTS = 6
"""The map may be full of free pages that are too small or too young; the last finds a new file."""


class Stats(NamedTuple):
    entries: int
    bytes: int
    """Of pages in use: within the bound, and about as much as the disk holds."""


class L2:
    """Records by name, for all processes that give the same path, lock and bound.

    Nothing here raises because a disk is full, a file damaged or deleted, or another process was
    killed: reads miss and writes return False. A record is whole or not there. The files together
    never exceed ``max_bytes``; a record of over an eighth of that is refused.
    """

    def __init__(self, path: Path, *, max_bytes: int, lock: MachineLock | Path) -> None:
        if max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes is {max_bytes!r}: at least {LEAST_BYTES} are needed.")
        self._keeper = keeper_of(path, max_bytes, lock)

    def get(self, name: str) -> bytes | None:
        """Return the record last put under a name, or None; wait for no writer."""
        records = self._keeper.records or self._keeper.opened()
        if records is None:
            return None
        try:
            return records.get(name)
        except lmdb.Error as failure:
            self._keeper.failed(records, failure)
            return None

    def put(self, name: str, record: bytes) -> bool:
        """Store a record, evicting others; False if it can't be, and then the old one is gone."""
        try:
            for _ in range(ATTEMPTS):
                with self.write() as writing:
                    stored = writing.put(name, record)
                if not writing.was_full:
                    return stored and not writing.has_failed
        except LockTimeout as failure:
            self._forget(name, failure)
        return False

    def delete(self, name: str) -> bool:
        """Remove a record; False if there is none."""
        try:
            with self.write() as writing:
                return writing.delete(name)
        except LockTimeout as failure:
            return self._forget(name, failure)

    def _forget(self, name: str, failure: LockTimeout) -> bool:
        """Do without the lock, because a process stopped that holds it."""
        records = self._keeper.records
        self._keeper.failed(records, failure)
        return records is not None and records.forget(name)

    def clear(self) -> None:
        """Remove all records, in a time that hardly depends on their number."""
        try:
            with self.write() as writing:
                writing.clear()
        except LockTimeout as failure:
            records = self._keeper.records
            self._keeper.failed(records, failure)
            if records is not None:
                records.hints.forget_all()

    def write(self, *, timeout: float | None = None) -> Writing:
        """Shut out all other writers of the machine for a block; see :class:`Writing`.

        Raises ``LockTimeout`` where another holds the lock for over ``timeout`` seconds (by default
        the lock's own): it is stopped. Not to be nested.
        """
        return Writing(self._keeper, timeout)

    def is_current(self) -> bool:
        """Say whether the open file still stands at the path; writes go to the one that does."""
        return self._keeper.opened() is not None and self._keeper.is_current()

    def reader_check(self) -> int:
        """Free what killed readers hold; return how many there were. For a periodic duty."""
        records = self._keeper.records
        try:
            return 0 if records is None else records.env.reader_check()
        except lmdb.Error:
            return 0

    def stats(self) -> Stats:
        records = self._keeper.opened()
        try:
            if records is not None:
                return Stats(records.hints.live, records.used_bytes())
        except lmdb.Error as failure:
            self._keeper.failed(records, failure)
        return Stats(0, 0)

    def close(self) -> None:
        """Close the files of this process; the next use opens them again."""
        self._keeper.close()
