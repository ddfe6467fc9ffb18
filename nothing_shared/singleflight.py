"""Single flight: of all threads and processes of a machine, one computes and the others wait."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from zlib import crc32

__all__ = ["SingleFlight"]

FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
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
        self.stripes = stripes
        self._prefix = f"{directory}{os.sep}"

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
        return _Flight(self._prefix, stripe, timeout)


class _Flight:
    __slots__ = ("fd", "leads", "outer", "prefix", "stripe", "timeout")

    def __init__(self, prefix: str, stripe: int, timeout: float) -> None:
        self.prefix = prefix
        self.stripe = stripe
        self.timeout = timeout
        self.outer: tuple[_Flight, ...] = ()
        self.leads = True
        self.fd = -1

    def __enter__(self) -> bool:
        try:
            for nap in self._attempts():
                time.sleep(nap)
        except BaseException:
            self._close()
            raise
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
        if self.outer and self._is_nested():
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

    def _is_nested(self) -> bool:
        return any(
            flight.fd >= 0 and flight.stripe == self.stripe and flight.prefix == self.prefix
            for flight in self.outer
        )

    def _patience(self) -> float:
        """Return the timeout; cut it where this wait could close a circle of waits.

        All that wait for a higher stripe than they hold can't.
        """
        if all(flight.stripe < self.stripe for flight in self.outer if flight.fd >= 0):
            return self.timeout
        return min(self.timeout, NESTED_WAIT)

    def _open(self) -> None:
        path = f"{self.prefix}{self.stripe:x}"
        try:
            self.fd = os.open(path, FLAGS, 0o600)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.prefix, 0o700)
            self.fd = os.open(path, FLAGS, 0o600)
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
            _open_flights.discard(self)
            # Not left to the close: a child forked during the flight shares the lock.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


_held: ContextVar[tuple[_Flight, ...]] = ContextVar("flights_held", default=())

_open_flights: set[_Flight] = set()


def _leave_to_parent() -> None:
    """Close, in a forked child, the files of the parent's flights; that does not unlock them."""
    for flight in list(_open_flights):
        if flight.fd >= 0:
            os.close(flight.fd)
            flight.fd = -1
    _open_flights.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
