"""Single flight: of all threads and processes of a machine, one computes and the others wait."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from zlib import crc32

__all__ = ["SingleFlight"]

SHORTEST_NAP = 0.0005
LONGEST_NAP = 0.02

NESTED_WAIT = 0.25
"""Seconds to wait for a flight that may be waiting for one of ours."""


class SingleFlight:
    """Flights by name: ``flock`` on one of ``stripes`` files, which the kernel frees on SIGKILL.

    ::

        with flights.flight(name, timeout=10) as leads:
            if not leads or (value := cache.get(name)) is None: value = compute()

    Gives True to the one that leads, and to each that has waited for its end, one after another:
    look again before computing. Gives False after ``timeout`` seconds. Inside a flight, the same name
    leads at once, and a wait that could be a deadlock is short. Where no file can be locked (disk
    full, directory gone for good) everybody leads; nothing is raised.

    Names of one stripe wait for each other.
    """

    def __init__(self, directory: Path, *, stripes: int = 1024) -> None:
        self.directory = directory
        self.stripes = stripes

    def flight(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        """Lead, or wait for at most ``timeout`` seconds."""
        return self._flight(name, timeout)

    def try_flight(self, name: str) -> AbstractContextManager[bool]:
        """Lead, or give False at once."""
        return self._flight(name, 0)

    def aflight(self, name: str, *, timeout: float) -> AbstractAsyncContextManager[bool]:
        """Do as :meth:`flight` without blocking the event loop; a cancelled task's flight ends."""
        return self._flight(name, timeout)

    def _flight(self, name: str, timeout: float) -> _Flight:
        stripe = crc32(name.encode("utf-8", "surrogatepass")) % self.stripes
        return _Flight(self.directory / f"{stripe:x}", timeout)


class _Flight:
    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self.fd = -1

    def __enter__(self) -> bool:
        for nap in self._attempts():
            time.sleep(nap)
        return self._begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    async def __aenter__(self) -> bool:
        try:
            for nap in self._attempts():
                await asyncio.sleep(nap)
        except BaseException:
            self._close()
            raise
        return self._begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _attempts(self) -> Iterator[float]:
        """Try for the lock until it is had or time is up; yield how long to nap before each try."""
        self.outer = _held.get()
        self.leads = True
        if any(flight.fd >= 0 and flight.path == self.path for flight in self.outer):
            return
        try:
            self._open()
            deadline = time.monotonic() + self._patience()
            nap = SHORTEST_NAP
            while not self._lock():
                left = deadline - time.monotonic()
                if left <= 0:
                    self.leads = False
                    self._close()
                    return
                yield min(nap, left)
                nap = min(2 * nap, LONGEST_NAP)
        except OSError:
            self._close()

    def _patience(self) -> float:
        """Return the timeout; cut it where this wait could close a circle of waits.

        All that wait for a higher stripe than they hold can't.
        """
        held = [flight.path.name for flight in self.outer if flight.fd >= 0]
        if all(int(name, 16) < int(self.path.name, 16) for name in held):
            return self.timeout
        return min(self.timeout, NESTED_WAIT)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            self.fd = os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.fd = os.open(self.path, flags, 0o600)
        _open_flights.add(self)

    def _lock(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _begin(self) -> bool:
        if self.fd >= 0:
            _held.set((*self.outer, self))
        return self.leads

    def _end(self) -> None:
        if self.fd >= 0:
            _held.set(self.outer)
            self._close()

    def _close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            # Not left to the close: a child forked during the flight shares the lock.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


_held: ContextVar[tuple[_Flight, ...]] = ContextVar("flights_held", default=())

_open_flights: weakref.WeakSet[_Flight] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Close, in a forked child, the files of the parent's flights; that does not unlock them."""
    for flight in list(_open_flights):
        if flight.fd >= 0:
            os.close(flight.fd)
            flight.fd = -1
    _open_flights.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
