"""What can go wrong when a server is chosen."""

from __future__ import annotations

from django.db import OperationalError

__all__ = ["StalePrimary"]


class StalePrimary(OperationalError):
    """The server that this node takes for the primary was replaced by another, on which a client wrote."""
