"""Pinning: reads go to replicas, and nobody reads what is older than what they have written."""

from __future__ import annotations

from nothing_shared.causality import ticket, use_ticket
from nothing_shared.pinning.primary import use_primary
from nothing_shared.pinning.serving import served

__all__ = ["served", "ticket", "use_primary", "use_ticket"]
