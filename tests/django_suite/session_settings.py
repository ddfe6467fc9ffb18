"""The site in which Django's session tests run: the common one plus their app, ``sessions_tests``."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import BASE_DIR, INSTALLED_APPS

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if not app.startswith("tests.")),
    "django.contrib.sessions",
    "sessions_tests",
]
SESSION_ENGINE = "nothing_shared.sessions.backends.signed_cookies"

NOTHING_SHARED_NODE = {"DIRECTORY": str(BASE_DIR / "django-suite-sessions")}
