"""What can go wrong when publishing."""

from __future__ import annotations

__all__ = ["BusError", "BusFull", "BusUnavailable", "MessageTooLarge"]


class BusError(Exception):
    """The message was not sent."""


class BusFull(BusError):
    """A finite queue is full: sending on would lose messages that somebody has yet to read."""


class MessageTooLarge(BusError, ValueError):
    """The message is larger than this bus carries."""


class BusUnavailable(BusError, OSError):
    """The bus can't be reached now."""
