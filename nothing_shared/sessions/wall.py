"""A wall clock that does not jump when somebody sets it."""

from __future__ import annotations

import time

from nothing_shared.clock import SECOND, Clock, boottime_ns

__all__ = ["WallClock", "clock"]

PART = 10
"""What somebody did to the system's clock is followed by at most a tenth of the time that passes."""


class WallClock:
    """Seconds since 1970, as the system had them when this process began, counted on by the boot clock.

    A clock that is set wrong and right again within minutes moves this one by seconds; a correction
    that lasts is followed in the end.
    """

    def __init__(self, *, wall: Clock = time.time_ns, boot: Clock = boottime_ns) -> None:
        self._wall, self._boot = wall, boot
        self._seen = boot()
        self._offset = wall() - self._seen

    def __call__(self) -> float:
        now = self._boot()
        room = max(0, now - self._seen) // PART
        drift = self._wall() - now - self._offset
        self._offset += max(-room, min(room, drift))
        self._seen = now
        return (now + self._offset) / SECOND


clock = WallClock()
"""This process's."""
