"""What can be wrong with a session's cookie, or with what a site puts into one."""

from __future__ import annotations

__all__ = ["INTERRUPTED", "BadToken", "SessionTooLarge", "UnknownToken"]

INTERRUPTED = (
    "The request's session was ended before the request completed. The user may have signed out in a "
    "concurrent request, for example."
)


class BadToken(Exception):
    """Not made by this site for this cookie, damaged, or of another version."""


class UnknownToken(BadToken):
    """Of a version or a key that this node doesn't know; another one may."""


class SessionTooLarge(ValueError):
    """More than a browser keeps: it would drop the cookie without a word, and keep the old one."""
