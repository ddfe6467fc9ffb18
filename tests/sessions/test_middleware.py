from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.test import AsyncClient, AsyncRequestFactory, Client

from nothing_shared.sessions import upkeep
from nothing_shared.sessions.backends.signed_cookies import SessionStore
from nothing_shared.sessions.middleware import SessionMiddleware
from nothing_shared.sessions.models import Revocation
from tests.sessions import views
from tests.sessions.browser import Browser
from tests.sessions.mutations import MUTATIONS

LOGIN, DATA = "sessionid", "sessionid_data"


def content(browser: Browser) -> Any:
    return json.loads(browser.get("/").text)["content"]


def user(browser: Browser) -> str:
    return str(json.loads(browser.get("/").text)["user"])


def put(browser: Browser, **values: Any) -> Any:
    return browser.post("/put/", content=json.dumps(values))


def test_what_one_request_puts_another_reads(browser: Browser) -> None:
    put(browser, colour="green", count=3)
    assert content(browser) == {"colour": "green", "count": 3}


def test_without_a_sign_in_there_is_but_the_cookie_of_the_data(browser: Browser) -> None:
    put(browser, colour="green")
    assert browser.cookies.keys() == {DATA}


def test_login_and_data_stand_in_cookies_of_their_own(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    assert browser.cookies.keys() == {LOGIN}
    login = browser.cookies[LOGIN]
    put(browser, colour="green")
    assert browser.cookies.keys() == {LOGIN, DATA}
    assert browser.cookies[LOGIN] == login, "a data write leaves the login alone"
    assert (user(browser), content(browser)) == ("ada", {"colour": "green"})


def test_what_was_put_before_a_sign_in_is_there_after_it(browser: Browser, ada: User) -> None:
    put(browser, cart=[1, 2])
    browser.post("/in/", user="ada")
    assert (user(browser), content(browser)) == ("ada", {"cart": [1, 2]})


def test_data_without_its_login_is_nothing_whoever_signs_in_next(
    browser: Browser, ada: User
) -> None:
    User.objects.create(username="ben")
    browser.post("/in/", user="ada")
    put(browser, private="ada's")
    del browser.cookies[LOGIN]
    assert (user(browser), content(browser)) == ("", {})
    browser.post("/in/", user="ben")
    assert (user(browser), content(browser)) == ("ben", {})


def test_a_sign_out_takes_both_cookies_along(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    browser.post("/out/")
    assert browser.cookies == {}
    assert (user(browser), content(browser)) == ("", {})


@pytest.mark.parametrize("prefix", ["/", "/a/"])
def test_a_cookie_copied_before_the_sign_out_is_refused_after_it(
    browser: Browser, ada: User, prefix: str
) -> None:
    browser.post(f"{prefix}in/", user="ada")
    put(browser, colour="green")
    thief = Browser(is_async=browser.is_async)
    thief.cookies = dict(browser.cookies)
    assert user(thief) == "ada"
    browser.post(f"{prefix}out/")
    assert (user(thief), content(thief)) == ("", {})


def test_a_sign_in_ends_the_session_that_was_before_it(browser: Browser, ada: User) -> None:
    put(browser, colour="green")
    fixated = Browser(is_async=browser.is_async)
    fixated.cookies = dict(browser.cookies)
    browser.post("/in/", user="ada")
    assert (user(fixated), content(fixated)) == ("", {})


def test_the_id_of_a_session_stays_while_its_key_changes(browser: Browser) -> None:
    put(browser, colour="green")
    sid = json.loads(browser.get("/").text)["sid"]
    before = browser.cookies[DATA]
    put(browser, colour="red")
    assert browser.cookies[DATA] != before
    assert json.loads(browser.get("/").text)["sid"] == sid


def test_equal_content_writes_nothing(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    assert not put(browser, colour="green").cookies
    assert not browser.get("/").cookies
    assert put(browser, colour="red").cookies.keys() == {DATA}


def test_a_forged_cookie_is_taken_away_and_no_session_made_of_it(
    site: Any, browser: Browser, ada: User
) -> None:
    site.SESSION_SAVE_EVERY_REQUEST = True
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    forged = {
        name: value[:-9] + ("A" if value[-9] != "A" else "B") + value[-8:]
        for name, value in browser.cookies.items()
    }
    browser.cookies = dict(forged)
    answer = browser.get("/untouched/")
    assert answer.status == 200
    assert [morsel["max-age"] for morsel in answer.cookies.values()] == [0, 0]
    assert browser.cookies == {}


def test_a_cookie_that_another_node_may_know_is_left_alone(browser: Browser) -> None:
    browser.cookies = {LOGIN: "x" * 200, DATA: "y" * 200}
    assert not browser.get("/").cookies
    put(browser, colour="green")
    assert (content(browser), browser.cookies.keys()) == ({"colour": "green"}, {DATA})


def test_caches_on_the_way_keep_nobodys_session(browser: Browser) -> None:
    answer = put(browser, colour="green")
    assert answer.headers["vary"] == "Cookie"
    assert "private" in answer.headers["cache-control"]
    read = browser.get("/")
    assert read.headers["vary"] == "Cookie"
    assert "cache-control" not in read.headers, "nothing is set, so the view decides"
    assert "vary" not in browser.get("/untouched/").headers


def test_flags_of_the_cookies_are_the_settings(site: Any, browser: Browser) -> None:
    site.SESSION_COOKIE_SECURE = True
    site.SESSION_COOKIE_NAME = "__Host-s"
    morsel = put(browser, colour="green").cookies["__Host-s_data"]
    assert (morsel["secure"], morsel["httponly"]) == (True, True)
    assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
    assert morsel["max-age"] == site.SESSION_COOKIE_AGE


def test_a_failed_request_saves_nothing_and_its_sign_out_stands(
    browser: Browser, ada: User
) -> None:
    browser.post("/in/", user="ada")
    thief = Browser(is_async=browser.is_async)
    thief.cookies = dict(browser.cookies)
    assert browser.post("/out-and-fail/").status == 500
    assert user(thief) == "", "though the view's transaction was rolled back"


def test_a_write_in_a_session_that_was_ended_elsewhere_is_a_400(
    browser: Browser, ada: User
) -> None:
    browser.post("/in/", user="ada")
    other = Browser(is_async=browser.is_async)
    other.cookies = dict(browser.cookies)

    ended = False

    def end_first(request: Any) -> Any:
        nonlocal ended
        request.session["late"] = True
        if not ended:
            ended = True
            other.is_async = False
            other.post("/out/")
        return views.HttpResponse("too late")

    original = views.put
    try:
        views.urlpatterns[2].callback = end_first
        assert put(browser, colour="green").status == 400
    finally:
        views.urlpatterns[2].callback = original
    assert user(browser) == ""


def test_the_test_client_finds_the_whole_session_in_one_cookie(site: Any, ada: User) -> None:
    client = Client()
    client.force_login(ada)
    assert client.get("/").json()["user"] == "ada"
    client.post("/put/", {"content": json.dumps({"colour": "green"})})
    assert client.cookies.keys() == {LOGIN}
    assert client.session["colour"] == "green"
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert client.get("/").json() | {"sid": ""} == {
        "user": "ada",
        "content": {"colour": "green"},
        "sid": "",
    }
    client.logout()
    assert client.get("/").json()["user"] == ""


def test_a_test_client_that_signs_in_nowhere_has_a_session_too(site: Any) -> None:
    client = Client()
    client.post("/put/", {"content": json.dumps({"colour": "green"})})
    assert client.session["colour"] == "green"


def test_the_async_test_client_does_as_well(site: Any, ada: User) -> None:
    client = AsyncClient()
    async_to_sync(client.aforce_login)(ada)
    answer: Any = async_to_sync(client.get)("/a/")
    assert answer.json()["user"] == "ada"


def test_the_joined_key_of_both_cookies_is_a_session_key(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    store = SessionStore("~".join([browser.cookies[LOGIN], browser.cookies[DATA]]))
    assert store["colour"] == "green"
    assert store["_auth_user_id"] == str(ada.pk)


def test_a_cookie_of_one_cookie_mode_is_parted_when_it_is_next_read(
    site: Any, browser: Browser, ada: User
) -> None:
    client = Client()
    client.force_login(ada)
    client.post("/put/", {"content": json.dumps({"colour": "green"})})
    browser.cookies = {LOGIN: client.cookies[LOGIN].value}
    assert (user(browser), content(browser)) == ("ada", {"colour": "green"})
    assert browser.cookies.keys() == {LOGIN, DATA}


def test_djangos_own_middleware_keeps_all_in_one_cookie(site: Any, ada: User) -> None:
    site.MIDDLEWARE = [
        middleware.replace("nothing_shared.sessions", "django.contrib.sessions")
        for middleware in site.MIDDLEWARE
    ]
    browser = Browser()
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    assert browser.cookies.keys() == {LOGIN}
    assert (user(browser), content(browser)) == ("ada", {"colour": "green"})
    thief = Browser()
    thief.cookies = dict(browser.cookies)
    browser.post("/out/")
    assert (user(thief), content(thief)) == ("", {})


def test_the_middleware_refuses_another_engine(settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    with pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE"):
        SessionMiddleware(lambda request: None)


EVIL_NAMES = ["\u2000__Host-s", "\u0085__Host-s", "\xa0__Host-s", '"__Host-s"', ""]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_no_other_hosts_cookie_passes_for_the_sessions(
    site: Any, browser: Browser, ada: User, name: str
) -> None:
    site.SESSION_COOKIE_NAME, site.SESSION_COOKIE_SECURE = "__Host-s", True
    browser.post("/in/", user="ada")
    evil = f"{name}={browser.cookies['__Host-s']}"
    latin = evil.encode().decode("latin-1")  # as servers hand on the bytes of a header
    answer = browser.send("GET", "/", None, {"cookie": latin})
    assert json.loads(answer.text)["user"] == ""


def test_a_session_that_was_slipped_in_beside_the_real_one_signs_nobody_in(
    browser: Browser, ada: User
) -> None:
    User.objects.create(username="mallory")
    mallory = Browser(is_async=browser.is_async)
    mallory.post("/in/", user="mallory")
    browser.post("/in/", user="ada")
    mine, theirs = browser.cookies[LOGIN], mallory.cookies[LOGIN]
    for header in (f"{LOGIN}={mine}; {LOGIN}={theirs}", f"{LOGIN}={theirs}; {LOGIN}={mine}"):
        answer = browser.send("GET", "/", None, {"cookie": header})
        assert json.loads(answer.text)["user"] == ""
    twice = browser.send("GET", "/", None, {"cookie": f"{LOGIN}={mine}; {LOGIN}={mine}"})
    assert json.loads(twice.text)["user"] == "ada"


def test_cookies_in_several_headers_are_read_as_one(site: Any, ada: User) -> None:
    """HTTP/2 splits them, and Django 5.2 joins them with a comma."""
    browser = Browser(is_async=True)
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    request = AsyncRequestFactory().get("/")
    request.scope["headers"] = [
        (b"cookie", b"theme=dark"),
        *((b"cookie", f"{name}={value}".encode()) for name, value in browser.cookies.items()),
    ]
    request = ASGIRequest(request.scope, io.BytesIO())
    answer = async_to_sync(ASGIHandler().get_response_async)(request)
    assert json.loads(answer.content) | {"sid": ""} == {
        "user": "ada",
        "content": {"colour": "green"},
        "sid": "",
    }


def test_no_mutated_cookie_signs_anybody_in_or_costs_an_error(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    random = Random(5)
    good = dict(browser.cookies)
    for number in range(240):
        mutate, name = MUTATIONS[number % len(MUTATIONS)], (LOGIN, DATA)[number % 2]
        other = good[DATA if name == LOGIN else LOGIN]
        mutant = mutate(good[name], other, random)
        header = "; ".join(f"{key}={value}" for key, value in {**good, name: mutant}.items())
        answer = browser.send("GET", "/", None, {"cookie": header.encode().decode("latin-1")})
        assert answer.status == 200, (mutate, mutant)
        said = json.loads(answer.text)
        if mutant != good[name]:
            assert said["user"] == ("" if name == LOGIN else "ada")
            assert said["content"] == {}, "data without its login is nobody's"


def test_old_revocations_leave_with_the_nodes_agent(site: Any, ada: User) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    browser.post("/out/")
    Revocation.objects.update(expires=1)
    upkeep._purge()
    assert not Revocation.objects.exists()
