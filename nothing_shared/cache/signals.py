"""What happens in caches, for logs, metrics and the status page."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["fill_refused", "stale_served"]

fill_refused = Signal()
"""A fill raced with a change and was not kept. Arguments: ``name`` (of the entry)."""

stale_served = Signal()
"""An old value was served. Arguments: ``name``, ``reason`` ("refreshing" or "error")."""
