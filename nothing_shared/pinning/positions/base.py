"""What pinning needs of a database engine: how far its primary has got, and how far a replica."""

from __future__ import annotations

from typing import Any, Protocol

from nothing_shared.node.positions import Position

__all__ = ["Positions"]


class Positions(Protocol):
    """One engine's way to tell positions. All take a raw connection that is in no transaction.

    Each is a statement of its own: an answer holds for snapshots that are taken after it, on the
    same connection, for as long as that lives; nowhere else. They raise what the driver raises.
    """

    def of_primary(self, raw: Any) -> Position:
        """Return a position behind which every commit is that was acknowledged by now."""

    def of_replica(self, raw: Any) -> Position:
        """Return a position up to which the server shows every commit of that history."""

    def wait(self, raw: Any, position: Position, seconds: float) -> Position:
        """Do as :meth:`of_replica` does, once it is there or the time is over."""
