"""Keeps the files of L2 open in this process: once per path, never across a fork, never damaged."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

import lmdb

from nothing_shared.cache.records import Records, identity_of, open_records, remove_records
from nothing_shared.clock import boot_id
from nothing_shared.locks import LockTimeout, MachineLock

__all__ = ["UNAVAILABLE", "Keeper", "keeper_of"]

logger = logging.getLogger("nothing_shared.cache")

UNAVAILABLE = (lmdb.Error, OSError)
"""What the files raise where a disk is full, a descriptor lacking, or they are damaged: a miss."""

DAMAGED = (
    lmdb.BadDbiError,
    lmdb.CorruptedError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.MapResizedError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)

MOST_FULL_TIMES = 4
"""How often in a row eviction may not have helped before the files are replaced: a stopped reader
keeps pages from being used again."""

PATIENCE = 1.0
"""Seconds for which a fork waits for other threads to leave their sections. With one that doesn't,
the child misses.
"""

NAP = 0.0005

OPENING = 0.2
"""Seconds for which a reader waits for the lock, to open the files."""

PAUSE = 1.0
"""Seconds until files that can't be opened, or a reader that can't open them, are tried again."""

HURRY = 5.0
"""Seconds for which nobody waits for a lock that could not be had, unless it could meanwhile."""


class Keeper:
    """The files at one path, for all threads of this process."""

    def __init__(self, path: Path, max_bytes: int, lock: MachineLock) -> None:
        self.path = path
        self._path = str(path)
        self.max_bytes = max_bytes
        self.lock = lock
        self.records: Records | None = None
        self.writer = 0
        """The thread that holds the lock, 0 if none does."""
        self.is_forking = False
        self.full_times = 0
        self._damaged: tuple[int, int] | None = None
        self._logged: set[type[Exception]] = set()
        self._retry_at = self._lock_at = self._hurry_until = 0.0

    def opened(self) -> Records | None:
        """Return the open files, opening them if need be; None while they can't be had."""
        if self.records is None and self._may_look():
            try:
                self.acquire(OPENING)
                try:
                    self._open()
                finally:
                    self.release()
            except LockTimeout:
                self._lock_at = time.monotonic() + PAUSE
            except UNAVAILABLE as failure:
                self.failed(None, failure)
        return self.records

    def acquire(self, timeout: float | None = None) -> None:
        """Get the machine's lock; raise ``LockTimeout``, at once if that has just happened."""
        wait = self.lock.timeout if timeout is None else timeout
        if time.monotonic() < self._hurry_until:
            wait = 0
        try:
            self.lock.acquire(wait)
        except LockTimeout:
            self._hurry_until = time.monotonic() + HURRY
            raise
        except FileNotFoundError:
            self.lock.path.parent.mkdir(mode=0o700, exist_ok=True)
            self.lock.acquire(wait)
        self._hurry_until = 0.0
        # Then ``is_forking`` is looked at: a fork waits for this thread, or this thread sees it.
        self.writer = threading.get_ident()

    def release(self) -> None:
        """Let go of the lock; in a child that was forked under it, of nothing."""
        if self.writer == threading.get_ident():
            self.writer = 0
            self.lock.release()

    def reopened(self) -> Records | None:
        """Open the files that now stand at the path, for a writer that holds the lock."""
        self.records = None
        if self._may_open():
            try:
                self._open()
            except UNAVAILABLE as failure:
                self.failed(None, failure)
        return self.records

    def is_current(self) -> bool:
        """Say whether the open file is the one that stands at the path."""
        try:
            return self.records is not None and identity_of(self._path) == self.records.identity
        except OSError:
            return False

    def failed(self, records: Records | None, failure: Exception) -> None:
        """Note a failure, drop damaged files, and log each kind of failure once."""
        if records is not self.records:
            return  # closed or replaced meanwhile
        if records is None:
            self._retry_at = time.monotonic() + PAUSE
        elif isinstance(failure, lmdb.MapFullError) and self.full_times < MOST_FULL_TIMES:
            self.full_times += 1
            return
        elif isinstance(failure, (*DAMAGED, lmdb.MapFullError)):
            self._damaged = records.identity
            self.records = None
        elif isinstance(failure, lmdb.ReadersFullError):
            records.env.reader_check()
        if type(failure) not in self._logged:
            self._logged.add(type(failure))
            # As text: the error's traceback would keep a transaction open.
            logger.warning("%s only misses: %s", self.path.name, str(failure))

    def close(self) -> None:
        """Close the files once other threads are out of them; the next use opens them again."""
        records, self.records = self.records, None
        if records is not None:
            records.env.close()

    def _may_look(self) -> bool:
        is_writing = self.writer == threading.get_ident()
        return not is_writing and self._may_open() and time.monotonic() >= self._lock_at

    def _may_open(self) -> bool:
        return not self.is_forking and time.monotonic() >= self._retry_at

    def _open(self) -> None:
        if self.records is not None or self.is_forking:
            return
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        damaged, self._damaged = self._damaged, None
        if damaged is not None and self.path.exists() and identity_of(self.path) == damaged:
            remove_records(self.path)
        self.full_times = 0
        self.records = open_records(self.path, self.max_bytes, boot_id())


_keepers: dict[str, Keeper] = {}
_registering = threading.Lock()


def keeper_of(path: Path, max_bytes: int, lock: MachineLock | Path) -> Keeper:
    """Return this process's keeper of a path: LMDB's files must not be opened twice."""
    name = os.path.realpath(path)
    with _registering:
        keeper = _keepers.get(name)
        if keeper is None:
            machine_lock = lock if isinstance(lock, MachineLock) else MachineLock(lock)
            keeper = _keepers[name] = Keeper(path, max_bytes, machine_lock)
    if keeper.max_bytes != max_bytes:
        raise ValueError(f"{path} is in use with {keeper.max_bytes} bytes, not {max_bytes}")
    return keeper


_left_to_parent: list[Records] = []


def _close_before_fork() -> None:
    """Close what a child could neither use nor close.

    LMDB forbids the first, and py-lmdb can't do the second without taking the parent's readers down.
    """
    deadline = time.monotonic() + PATIENCE
    for keeper in list(_keepers.values()):
        keeper.is_forking = True
        while keeper.writer not in (0, threading.get_ident()) and time.monotonic() < deadline:
            time.sleep(NAP)
        if keeper.writer in (0, threading.get_ident()):
            keeper.close()


def _resume() -> None:
    for keeper in list(_keepers.values()):
        keeper.is_forking = False


def _resume_in_child() -> None:
    global _registering
    _registering = threading.Lock()
    for keeper in list(_keepers.values()):
        keeper.writer = 0
        if keeper.records is not None:
            _left_to_parent.append(keeper.records)
            keeper.records = None
    _resume()


os.register_at_fork(
    before=_close_before_fork, after_in_parent=_resume, after_in_child=_resume_in_child
)
