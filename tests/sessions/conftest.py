from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import reset_queries

from nothing_shared.sessions import wall
from tests.sessions import views
from tests.sessions.browser import Browser


@pytest.fixture
def site(settings: Any, db: None) -> Any:
    """The settings of a site with sessions of ours, to change at will."""
    reset_queries()  # what other tests had logged: a full log is a warning where queries are counted
    settings.ROOT_URLCONF = "tests.sessions.views"
    settings.SESSION_ENGINE = "nothing_shared.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [
        "nothing_shared.causality.middleware.CausalityMiddleware",
        "nothing_shared.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    settings.NOTHING_SHARED_CAUSALITY = {"TICKETS": False}
    return settings


@pytest.fixture(params=["sync", "async"])
def browser(site: Any, request: pytest.FixtureRequest) -> Browser:
    return Browser(is_async=request.param == "async")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], Any]], None]:
    """Put another view in the place of the one at /put/."""

    def install(view: Callable[[Any], Any]) -> None:
        monkeypatch.setattr(views.urlpatterns[2], "callback", view)

    return install


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create(username="ada")


class HandWoundClock:
    """A wall clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandWoundClock:
    clock = HandWoundClock()
    monkeypatch.setattr(wall, "clock", clock)
    return clock
