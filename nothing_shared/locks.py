"""Locks between the processes and threads of one machine that a SIGKILL frees."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from pathlib import Path

__all__ = ["LockTimeout", "MachineLock", "MachineSemaphore"]

SPINS = 20
SHORTEST_NAP = 0.0002
LONGEST_NAP = 0.005


class LockTimeout(Exception):
    """Somebody held the lock longer than the caller could wait: stopped, or swapped out."""


class Hold:
    """A lock that is held within a ``with`` block."""

    __slots__ = ("_lock", "_timeout")

    def __init__(self, lock: MachineLock, timeout: float) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> None:
        self._lock.acquire(self._timeout)

    def __exit__(self, *failure: object) -> None:
        self._lock.release()


class MachineLock:
    """Exclude other threads and processes, waiting at most ``timeout`` seconds.

    ``flock`` belongs to an open file description, which threads share and a forked child inherits:
    so a thread lock stands in front of it, and a child opens the file anew.
    """

    def __init__(self, path: Path, *, timeout: float = 1.0) -> None:
        self.path = path
        self._name = os.fspath(path)
        self.timeout = timeout
        self._forget()
        _locks.add(self)

    def _forget(self) -> None:
        self._thread_lock = threading.Lock()
        self._fd = self._inode = -1

    def held(self, timeout: float | None = None) -> Hold:
        """Hold the lock for a block; raise :class:`LockTimeout` if it can't be had in time."""
        return Hold(self, self.timeout if timeout is None else timeout)

    def acquire(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        if not self._thread_lock.acquire(timeout=timeout):
            raise LockTimeout(f"another thread held {self.path} for over {timeout} s")
        try:
            while True:
                self.open()
                if not _flock_until(self._fd, deadline):
                    raise LockTimeout(f"another process held {self.path} for over {timeout} s")
                if not self._was_replaced():
                    return
                self._close()
        except BaseException:
            self._thread_lock.release()
            raise

    def _was_replaced(self) -> bool:
        """Say whether others now lock another file: this one was deleted, and made again."""
        try:
            return os.stat(self._name).st_ino != self._inode
        except OSError:
            return False

    def open(self) -> None:
        """Open the file if need be: from then on the lock works, even where its directory is deleted."""
        if self._fd < 0:
            self._fd = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._inode = os.fstat(self._fd).st_ino

    def release(self) -> None:
        if self._fd < 0:  # a child forked inside the block: the lock is its parent's
            return
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._thread_lock.release()

    def close(self) -> None:
        """Close the file; the next use opens whatever then stands at the path."""
        with self._thread_lock:
            self._close()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _flock_until(fd: int, deadline: float) -> bool:
    nap, tries = SHORTEST_NAP, 0
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            tries += 1
            if tries < SPINS:
                os.sched_yield()
                continue
            if time.monotonic() >= deadline:
                return False
            time.sleep(nap)
            nap = min(nap * 2, LONGEST_NAP)


class MachineSemaphore:
    """Admit at most ``places`` threads of all processes of a machine at once.

    A place is a file, taken by ``flock``: the kernel frees it when its holder dies. Nobody waits here:
    who finds no place tries again, or goes away.
    """

    def __init__(self, directory: Path, *, places: int) -> None:
        self.places = places
        self._prefix = f"{directory}{os.sep}"

    def take(self) -> int | None:
        """Take a place and return it, to be given to :meth:`give_back`; None if there is none.

        Raises OSError where no file can be made.
        """
        start = os.getpid() % self.places
        for step in range(self.places):
            path = f"{self._prefix}{(start + step) % self.places}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            _places.add(fd)
            return fd
        return None

    def give_back(self, place: int) -> None:
        if place in _places:  # else this is a child, forked meanwhile: the place is its parent's
            _places.discard(place)
            # Not left to the close: a child forked meanwhile shares the lock.
            fcntl.flock(place, fcntl.LOCK_UN)
            os.close(place)


_places: set[int] = set()
_locks: weakref.WeakSet[MachineLock] = weakref.WeakSet()


def _reopen_in_child() -> None:
    for lock in list(_locks):
        if lock._fd >= 0:
            os.close(lock._fd)
        lock._forget()
    for place in _places:
        os.close(place)
    _places.clear()


os.register_at_fork(after_in_child=_reopen_in_child)
