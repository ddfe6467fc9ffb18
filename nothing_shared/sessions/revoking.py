"""Sign a user out everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

__all__ = ["arevoke_sessions", "revoke_everyone", "revoke_sessions"]


def revoke_sessions(user: Any, *, keep: SessionBase | None = None) -> None:
    """End all sessions of a user on every node; with ``keep=request.session``, all but this one.

    In a transaction it is done when that commits. Raises ValueError where ``keep`` is a session of
    somebody else's, or none of ours.
    """
    key = user._meta.pk.value_to_string(user)
    _end(key, keep)


async def arevoke_sessions(user: Any, *, keep: SessionBase | None = None) -> None:
    """Do as :func:`revoke_sessions` does."""
    await sync_to_async(revoke_sessions)(user, keep=keep)


def revoke_everyone() -> None:
    """End all sessions of all users that are signed in, on every node."""
    _end("", None)


def _end(key: str, keep: SessionBase | None) -> None:
    from nothing_shared.sessions import revocations, wall
    from nothing_shared.sessions.backends.signed_cookies import SessionStore
    from nothing_shared.sessions.conf import limits
    from nothing_shared.sessions.packing import USER

    spared = ""
    if keep is not None:
        if not isinstance(keep, SessionStore) or keep.get(USER) != key:
            raise ValueError(f"keep={keep!r}: allowed: the session of a request of this user's")
        spared = keep.sid or ""
    bounds = limits()
    until = int(wall.clock()) + bounds.absolute + 2 * bounds.leeway
    generation = revocations.end_generation(key, until=until, spared=spared)
    if isinstance(keep, SessionStore):
        keep.spare(generation)
