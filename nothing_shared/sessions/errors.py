"""What can be wrong with a session's cookie, or with what a site puts into one."""

from __future__ import annotations

__all__ = ["BadToken", "SessionTooLarge"]


class BadToken(Exception):
    """Not made by this site for this cookie, damaged, or of another version."""


class SessionTooLarge(ValueError):
    """More than a browser keeps: it would drop the cookie without a word, and keep the old one."""
