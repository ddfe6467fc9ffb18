"""Writes in one session: none is lost that this machine has seen, and none comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils.safestring import mark_safe

from nothing_shared.sessions import memory
from nothing_shared.sessions.backends.signed_cookies import SessionStore
from tests.sessions.browser import Answer, Browser, content_of, put, user_of
from tests.sessions.conftest import HandWoundClock

LOGIN, DATA = "sessionid", "sessionid_data"

Change = Callable[[Any], object]


@pytest.fixture
def browser(site: Any, ada: User) -> Browser:
    """Ada's."""
    browser = Browser()
    browser.post("/in/", user="ada")
    return browser


def test_what_was_emptied_does_not_come_back_and_takes_no_new_write_along(browser: Browser) -> None:
    put(browser, colour="green")
    put(browser, colour="red")
    late = browser.send("POST", "/put/", {"content": json.dumps({"colour": "blue"})}, {})
    browser.post("/drop/", key="colour")
    assert (browser.cookies.keys(), content_of(browser)) == ({LOGIN}, {})
    put(browser, size=1)
    assert content_of(browser) == {"size": 1}
    browser.post("/drop/", key="size")
    browser.keep(late)
    assert content_of(browser) == {}
    assert browser.cookies.keys() == {LOGIN}


def test_a_sign_in_without_data_is_not_remembered(browser: Browser) -> None:
    user_of(browser)
    store = SessionStore(browser.cookies[LOGIN])
    assert store.sid is not None
    assert memory.last_of(bytes.fromhex(store.sid), store.tokens[0].header.kind) is None


def within(browser: Browser, serve: Any, outer: Change, inner: Change) -> tuple[Answer, Answer]:
    """Run one request in the midst of another, both with the cookies of now."""
    other, answers = browser.copy(), []

    def view(request: Any) -> HttpResponse:
        if answers:
            inner(request)
        else:
            request.session.items()
            answers.append(None)
            answers.append(other.send("POST", "/put/", {}, {}))
            outer(request)
        return HttpResponse("ok")

    serve(view)
    answer = browser.send("POST", "/put/", {}, {})
    return answer, answers[1]


def setting(key: str) -> Change:
    return lambda request: request.session.update({key: 1})


@pytest.mark.parametrize("is_first_kept_last", [True, False])
@pytest.mark.parametrize("before", [{}, {"seen": 0}])
def test_two_writes_at_a_time_stand_and_be_they_the_first(
    browser: Browser, serve: Any, before: dict[str, int], is_first_kept_last: bool
) -> None:
    if before:
        put(browser, **before)
    answers = within(browser, serve, setting("left"), setting("right"))
    for answer in sorted(answers, key=answers.index, reverse=is_first_kept_last):
        browser.keep(answer)
    assert content_of(browser) == {**before, "left": 1, "right": 1}


def test_a_write_stands_beside_a_request_that_takes_out_the_last_key(
    browser: Browser, serve: Any
) -> None:
    put(browser, old=1)
    answers = within(browser, serve, lambda r: r.session.pop("old"), setting("new"))
    for answer in reversed(answers):
        browser.keep(answer)
    assert content_of(browser) == {"new": 1}


def test_a_cookie_that_got_lost_takes_no_later_write_along(site: Any, browser: Browser) -> None:
    site.NOTHING_SHARED_SESSIONS = {"CHUNKS": 2}
    for seed in range(2):
        put(browser, big=Random(seed).randbytes(2700).hex())
    del browser.cookies[f"{DATA}.1"]
    assert user_of(browser) == "ada"
    put(browser, small=1)
    assert content_of(browser)["small"] == 1


class Elsewhere:
    """The memory of another machine, which has seen nothing of this session."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Any) -> None:
        self._patch, self._directory = monkeypatch, directory

    def put(self, browser: Browser, **values: Any) -> None:
        with self._patch.context() as patch:
            recent = memory.Recent(self._directory)
            patch.setattr(memory, "_current", lambda: recent)
            put(browser, **values)


def test_what_a_client_went_on_to_write_elsewhere_counts_though_answers_were_lost(
    browser: Browser, clock: HandWoundClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    browser.post("/in/", user="ada")
    put(browser, n=0)
    lost = browser.copy()
    for n in (1, 2, 3):
        put(lost, n=n)
    clock.pass_(1)
    Elsewhere(monkeypatch, tmp_path).put(browser, n=99)
    assert content_of(browser) == {"n": 99}


def test_who_saves_with_the_login_alone_at_hand_loses_no_data(browser: Browser) -> None:
    put(browser, seen=1)
    store = SessionStore(browser.cookies[LOGIN])
    store["later"] = 2
    store.save()
    browser.cookies[LOGIN] = str(store.session_key)
    assert (user_of(browser), content_of(browser)) == ("ada", {"seen": 1, "later": 2})
    put(browser, seen=3)
    assert content_of(browser) == {"seen": 3, "later": 2}


def test_a_key_of_a_kind_of_string_is_that_string(site: Any) -> None:
    store = SessionStore()
    store[mark_safe("~1")] = "no user's id"
    store.save()
    assert list(SessionStore(store.session_key).keys()) == ["~1"]


def test_a_session_that_is_flushed_has_no_id(site: Any) -> None:
    store = SessionStore()
    store["colour"] = "green"
    store.save()
    store.flush()
    assert store.sid is None


def test_a_session_that_got_too_large_by_a_setting_is_still_read(
    site: Any, browser: Browser, clock: HandWoundClock
) -> None:
    site.NOTHING_SHARED_SESSIONS = {"CHUNKS": 2}
    browser.post("/in/", user="ada")
    put(browser, big="x" * 5000)
    site.NOTHING_SHARED_SESSIONS = {"CHUNKS": 1, "REFRESH_AFTER": 10}
    clock.pass_(11)
    assert browser.get("/").status == 200


@pytest.mark.parametrize("uses_zones", [True, False])
def test_an_expiry_at_a_time_is_by_the_clock_of_sessions(
    site: Any, clock: HandWoundClock, uses_zones: bool
) -> None:
    site.USE_TZ = uses_zones
    store = SessionStore()
    store["colour"] = "green"
    now = datetime.fromtimestamp(clock.now, tz=UTC if uses_zones else None)
    store.set_expiry(now + timedelta(seconds=90))
    store.save()
    assert store.tokens[0].header.expires == clock.now + 90
