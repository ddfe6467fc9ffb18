"""Which of the cookies that come in count, where others have set some, too."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User

from nothing_shared.sessions import revoke_sessions
from tests.sessions.browser import Browser, put
from tests.sessions.mutations import MUTATIONS

LOGIN, DATA = "sessionid", "sessionid_data"


def said(browser: Browser, header: str) -> dict[str, Any]:
    answer = browser.send("GET", "/", None, {"cookie": header})
    said = json.loads(answer.text)
    assert said["user"] == "" or not answer.cookies, "a good cookie is not taken away"
    return {key: said[key] for key in ("user", "content")}


def header(name: str, *values: str) -> str:
    return "; ".join(f"{name}={value}" for value in values)


def test_a_cookie_of_another_site_signs_nobody_out(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    mine, theirs = browser.cookies[LOGIN], "the-session-key-of-another-site"
    for pair in ((mine, theirs), (theirs, mine)):
        assert said(browser, header(LOGIN, *pair))["user"] == "ada"


@pytest.mark.parametrize("is_signed_out_everywhere", [True, False])
def test_cookies_left_at_another_path_by_a_session_that_has_ended_do_not_count(
    browser: Browser, ada: User, is_signed_out_everywhere: bool
) -> None:
    left = Browser(is_async=browser.is_async)
    left.post("/in/", user="ada")
    put(left, colour="red")
    old = left.copy().cookies
    if is_signed_out_everywhere:
        revoke_sessions(ada)
    else:
        left.post("/out/")
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    new = browser.cookies
    for first, second in ((old, new), (new, old)):
        both = "; ".join(header(name, first[name], second[name]) for name in (LOGIN, DATA))
        assert said(browser, both) == {"user": "ada", "content": {"colour": "green"}}


def test_each_cookie_counts_under_its_own_name_only(browser: Browser, ada: User) -> None:
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    login, data = browser.cookies[LOGIN], browser.cookies[DATA]
    nothing = {"user": "", "content": {}}
    assert said(browser, header(DATA, login)) == nothing
    assert said(browser, header(DATA, f"{login}~{data}")) == nothing
    assert said(browser, header(LOGIN, data)) == nothing
    assert said(browser, f"{LOGIN}={data}; {DATA}={login}") == nothing


def test_no_header_costs_an_error_or_signs_in_anybody_but_who_is_named(
    site: Any, ada: User
) -> None:
    site.NOTHING_SHARED_SESSIONS = {"CHUNKS": 3}
    User.objects.create(username="ben")
    random = Random(5)
    tokens: list[str] = []
    for name in ("ada", "ben"):
        browser = Browser()
        browser.post("/in/", user=name)
        for size in (1, 3500, 4200):
            put(browser, big=random.randbytes(size).hex())
            tokens += browser.cookies.values()
    seen = set()
    for _ in range(250):
        raw = random.choice(["; ", ";", ",", ";;"]).join(
            f"{random.choice(NAMES)}={a_value(tokens, random)}"
            for _ in range(random.randrange(1, 6))
        )
        answer = Browser().send(
            "GET", "/", None, {"cookie": raw.encode("utf-8", "replace").decode("latin-1")}
        )
        assert answer.status == 200, raw
        seen.add(json.loads(answer.text)["user"])
    assert seen == {"", "ada", "ben"}


NAMES = (LOGIN, DATA, f"{DATA}.1", f"{DATA}.2", f"{LOGIN}.1", f"\u2000{LOGIN}", f" {LOGIN}", "")


def a_value(tokens: list[str], random: Random) -> str:
    token, way = random.choice(tokens), random.random()
    if way < 0.4:
        return mutated(token, random.choice(tokens), random)
    if way < 0.5:
        return f"{random.choice('0123')}~{token}"
    if way < 0.55:
        return f"{token}~{random.choice(tokens)}"
    return token


def mutated(token: str, other: str, random: Random) -> str:
    pieces = token.rpartition("~")[2], other.rpartition("~")[2]
    try:
        return random.choice(MUTATIONS)(*pieces, random)
    except ValueError:  # a piece of a token is none
        return "x"
