"""Django's contract of a session store, on ours: no test is overridden, and none left out."""

from __future__ import annotations

from django.test import TestCase, override_settings
from sessions_tests import tests as upstream

from nothing_shared.sessions.backends.signed_cookies import SessionStore

__all__ = ["CASES"]


class SplitSessionStore(SessionStore):
    """As our middleware uses it."""

    is_split = True
    is_managed = True


class SignedCookiesTests(upstream.SessionTestsMixin, TestCase):
    backend = SessionStore


class SplitSignedCookiesTests(upstream.SessionTestsMixin, TestCase):
    """Login and data in tokens of their own."""

    backend = SplitSessionStore


@override_settings(NOTHING_SHARED_SESSIONS={"SEAL": True})
class SealedCookiesTests(upstream.SessionTestsMixin, TestCase):
    backend = SessionStore


CASES = [SignedCookiesTests, SplitSignedCookiesTests, SealedCookiesTests]
