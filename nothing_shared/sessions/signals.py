"""What happens to sessions, for logs, metrics and the status page."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["session_refused", "sessions_revoked"]

sessions_revoked = Signal()
"""Sessions were ended before their time. Arguments: ``name`` (of the :class:`Revocation`)."""

session_refused = Signal()
"""A cookie was not taken for a session. Arguments: ``reason`` ("forged or expired", or "revoked")."""
