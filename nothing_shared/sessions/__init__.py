"""Sessions that no node stores: the cookie is the session, and every node knows who has signed out."""

from __future__ import annotations

from nothing_shared.sessions.errors import SessionTooLarge
from nothing_shared.sessions.revoking import arevoke_sessions, revoke_sessions

__all__ = ["SessionTooLarge", "arevoke_sessions", "revoke_sessions"]
