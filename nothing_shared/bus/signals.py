"""What happens on the bus, for logs, metrics and the status page. All are sent in the agent."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["gap_detected", "message_dropped"]

gap_detected = Signal()
"""Messages were missed. Arguments: ``node``, ``gap`` (:class:`~nothing_shared.bus.ledger.Gap`)."""

message_dropped = Signal()
"""A packet was not believed. Arguments: ``node``, ``reason`` (str)."""
