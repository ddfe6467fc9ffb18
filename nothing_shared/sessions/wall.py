"""A wall clock that does not jump when somebody sets it."""

from __future__ import annotations

import time

from nothing_shared.clock import SECOND, Clock, boottime_ns

__all__ = ["WallClock", "clock"]

PART = 10
"""What somebody did to the system's clock is followed by at most a tenth of the time that passes."""
LASTING = 600 * SECOND
"""After which it is taken for right."""


class WallClock:
    """Seconds since 1970, as the system had them when this process began, counted on by the boot clock.

    A clock that is set wrong and right again within minutes moves this one by seconds; a correction
    that lasts for ten minutes is taken over.
    """

    def __init__(self, *, wall: Clock = time.time_ns, boot: Clock = boottime_ns) -> None:
        self._wall, self._boot = wall, boot
        self._seen = boot()
        self._offset = self._system = wall() - self._seen
        self._since = self._seen
        """Since when the system's clock has gone on without a jump."""

    def __call__(self) -> float:
        now = self._boot()
        self._follow(now, self._wall() - now)
        self._seen = now
        return (now + self._offset) / SECOND

    def _follow(self, now: int, system: int) -> None:
        if abs(system - self._system) > SECOND:
            self._since = now
        self._system = system
        if now - self._since >= LASTING:
            self._offset = system
            return
        # Who was idle for a night has not seen when in it the clock was set.
        room = min(max(0, now - self._seen), LASTING) // PART
        self._offset += max(-room, min(room, system - self._offset))


clock = WallClock()
"""This process's."""
