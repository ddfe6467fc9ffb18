from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection

from nothing_shared.sessions.checks import CHECKS
from nothing_shared.sessions.models import Revocation

ENGINE = "nothing_shared.sessions.backends.signed_cookies"
MIDDLEWARE = "nothing_shared.sessions.middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


@pytest.fixture
def sound(settings: Any) -> Any:
    settings.SESSION_ENGINE = ENGINE
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE, AUTHENTICATION]
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    settings.SESSION_COOKIE_SECURE = True
    return settings


def ids(databases: Sequence[str] = ()) -> list[str]:
    found = run_checks(
        tags=["nothing_shared"], include_deployment_checks=True, databases=list(databases)
    )
    ours = [message for message in found if str(message.id).startswith("nothing_shared_sessions.")]
    assert all(message.hint for message in ours)
    return [str(message.id).partition(".")[2] for message in ours]


def test_sound_settings_are_told_nothing(sound: Any) -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"NOTHING_SHARED_SESSIONS": {"CHUNK": 2}}, "E001"),
        ({"NOTHING_SHARED_SESSIONS": {"CHUNKS": 9}}, "E001"),
        ({"NOTHING_SHARED_SESSIONS": {"IDLE_AGE": 60, "REFRESH_AFTER": 60}}, "E007"),
        ({"SECRET_KEY_FALLBACKS": "old"}, "E002"),
        ({"SESSION_SERIALIZER": "site.PickleSerializer"}, "E003"),
        ({"SESSION_COOKIE_SECURE": False}, "E005 W001"),
        ({"SESSION_COOKIE_PATH": "/app"}, "E005"),
        ({"SESSION_COOKIE_DOMAIN": "example.org"}, "E005"),
        ({"MIDDLEWARE": [MIDDLEWARE, DJANGOS]}, "E006"),
        ({"MIDDLEWARE": [AUTHENTICATION, MIDDLEWARE]}, "E006"),
        ({"MIDDLEWARE": [DJANGOS, AUTHENTICATION]}, "W003"),
        ({"SESSION_COOKIE_HTTPONLY": False}, "W001"),
        ({"SESSION_COOKIE_NAME": "sessionid"}, "W002"),
        ({"MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage"}, "W004"),
        ({"CSRF_USE_SESSIONS": True}, "W004"),
        ({"NOTHING_SHARED_SESSIONS": {"CHUNKS": 2}}, "W005"),
        (
            {
                "AUTHENTICATION_BACKENDS": [
                    "nothing_shared.sessions.authentication.CachedModelBackend"
                ]
            },
            "W006",
        ),
    ],
)
def test_a_mistake_is_named(sound: Any, changed: dict[str, Any], expected: str) -> None:
    for name, value in changed.items():
        setattr(sound, name, value)
    assert sorted(ids()) == expected.split()


def test_seals_without_their_library_are_refused(
    sound: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nothing_shared.sessions.sealing.is_available", lambda: False)
    sound.NOTHING_SHARED_SESSIONS = {"SEAL": True}
    assert ids() == ["E004"]


def test_the_missing_table_is_told_of(sound: Any, db: None) -> None:
    assert ids(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {Revocation._meta.db_table} RENAME TO moved")
    assert ids(databases=["default"]) == ["W007"]


def test_who_keeps_sessions_elsewhere_is_told_nothing_of_cookies(settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    settings.SESSION_COOKIE_HTTPONLY = False
    assert ids() == []


def test_every_check_is_described() -> None:
    assert all(text.endswith((".", ")")) for text in CHECKS.values())
