"""How many thumbnails a machine draws at once, and how many requests may wait for their turn."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from nothing_shared.locks import MachineSemaphore
from nothing_shared.thumbnails.errors import ThumbnailError

__all__ = ["Busy", "Gate"]

SHORTEST_NAP = 0.002
LONGEST_NAP = 0.05


class Busy(ThumbnailError):
    """This machine draws as much as it may, and as many wait as may."""

    status = 503
    may_retry = True


class Gate:
    """Lets in at most ``places`` at once, and ``queue`` more to wait for up to ``patience`` seconds.

    For all processes of the machine together. Places are freed by the kernel when a process dies.
    Where no lock file can be made (a full disk), everybody is let in.
    """

    def __init__(self, directory: Path, *, places: int, queue: int, patience: float) -> None:
        self.patience = patience
        self._seats = MachineSemaphore(directory / "seats", places=places + queue)
        self._places = MachineSemaphore(directory / "places", places=places)
        self._directories = (directory / "seats", directory / "places")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Hold a place for a block; raise :class:`Busy` if there is none in time."""
        taken: list[tuple[MachineSemaphore, int]] = []
        try:
            for nap in self._attempts(taken):
                time.sleep(nap)
            yield
        finally:
            _give_back(taken)

    @asynccontextmanager
    async def aentered(self) -> AsyncIterator[None]:
        """Do as :meth:`entered` without blocking the event loop."""
        taken: list[tuple[MachineSemaphore, int]] = []
        try:
            for nap in self._attempts(taken):
                await asyncio.sleep(nap)
            yield
        finally:
            _give_back(taken)

    def _attempts(self, taken: list[tuple[MachineSemaphore, int]]) -> Iterator[float]:
        """Take a seat at once or not at all, then try for a place; yield how long to nap in between."""
        try:
            seat = self._take(self._seats)
            if seat is None:
                raise Busy(
                    "this machine is drawing as many thumbnails as it may, and many more wait."
                )
            taken.append((self._seats, seat))
            deadline, nap = time.monotonic() + self.patience, SHORTEST_NAP
            while (place := self._take(self._places)) is None:
                if time.monotonic() >= deadline:
                    raise Busy("this machine is drawing as many thumbnails as it may.")
                yield nap
                nap = min(nap * 2, LONGEST_NAP)
            taken.append((self._places, place))
        except OSError:
            return

    def _take(self, semaphore: MachineSemaphore) -> int | None:
        try:
            return semaphore.take()
        except FileNotFoundError:
            for directory in self._directories:
                os.makedirs(directory, mode=0o700, exist_ok=True)
            return semaphore.take()


def _give_back(taken: list[tuple[MachineSemaphore, int]]) -> None:
    for semaphore, place in reversed(taken):
        semaphore.give_back(place)
