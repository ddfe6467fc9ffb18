"""How long a node may believe that it hears everything."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Lease"]


class Lease:
    """Counts from when things were *sent*, in ns on one clock.

    Arrival times would stretch it by whatever a slow bus adds; one's own echo says nothing of
    peers when a broker has split, so every node on the roster must have been heard, too.
    """

    def __init__(self, duration: int, me: int) -> None:
        self._duration = duration
        self._me = me
        self._beats: dict[int, int] = {}
        self._looked = 0
        self._roster: frozenset[int] = frozenset()

    def beat(self, origin: int, sent: int) -> None:
        """Note a heartbeat or hello that came in over the bus, one's own included."""
        self._beats[origin] = max(sent, self._beats.get(origin, 0))

    def look(self, roster: Iterable[int], at: int) -> None:
        """Note who was on the roster when it was looked at."""
        self._roster, self._looked = frozenset(roster), at
        for origin in self._beats.keys() - self._roster - {self._me}:
            del self._beats[origin]

    def until(self) -> int:
        """Return the time up to which all changes are heard that were sent a lease before."""
        heard = (self._beats.get(origin, 0) for origin in self._roster | {self._me})
        oldest = min(self._looked, *heard)
        return oldest + self._duration if oldest else 0
