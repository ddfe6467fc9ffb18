"""What becomes of a session over time: its end, its keys, its size, and requests at the same time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F

from nothing_shared.sessions import SessionTooLarge, revoke_sessions
from nothing_shared.sessions.backends.signed_cookies import SessionStore
from nothing_shared.sessions.models import Revocation
from tests.sessions.browser import Browser
from tests.sessions.conftest import HandWoundClock

LOGIN, DATA = "sessionid", "sessionid_data"
DAY = 86_400


def content(browser: Browser) -> Any:
    return json.loads(browser.get("/").text)["content"]


def user(browser: Browser) -> str:
    return str(json.loads(browser.get("/").text)["user"])


def put(browser: Browser, **values: Any) -> Any:
    return browser.post("/put/", content=json.dumps(values))


def age(answer: Any, name: str) -> int:
    return int(answer.cookies[name]["max-age"])


# Its end -------------------------------------------------------------------------------------


def test_a_session_ends_as_the_settings_say(
    site: Any, browser: Browser, clock: HandWoundClock
) -> None:
    put(browser, colour="green")
    clock.pass_(site.SESSION_COOKIE_AGE)
    assert content(browser) == {"colour": "green"}
    clock.pass_(61)
    assert content(browser) == {}


@pytest.mark.parametrize("seconds", [600, 30 * DAY])
def test_set_expiry_counts_on_the_server_in_both_directions(
    site: Any, browser: Browser, ada: User, clock: HandWoundClock, seconds: int
) -> None:
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    answer = browser.post("/expire/", seconds=str(seconds))
    assert age(answer, LOGIN) == age(answer, DATA) == seconds
    clock.pass_(seconds)
    assert (user(browser), content(browser)) == ("ada", {"colour": "green"})
    clock.pass_(61)
    assert (user(browser), content(browser)) == ("", {})


def test_a_browser_length_session_ends_on_the_server_too(
    site: Any, browser: Browser, clock: HandWoundClock
) -> None:
    site.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    answer = put(browser, colour="green")
    assert answer.cookies[DATA]["max-age"] == answer.cookies[DATA]["expires"] == ""
    clock.pass_(site.SESSION_COOKIE_AGE + 61)
    assert content(browser) == {}


def test_a_session_in_use_goes_on_and_an_idle_one_ends(
    site: Any, browser: Browser, ada: User, clock: HandWoundClock
) -> None:
    site.NOTHING_SHARED_SESSIONS = {"IDLE_AGE": 600}
    browser.post("/in/", user="ada")
    for _ in range(5):
        clock.pass_(500)
        assert user(browser) == "ada"
    clock.pass_(661)
    assert user(browser) == ""


def test_no_use_carries_a_session_past_its_absolute_age(
    site: Any, browser: Browser, ada: User, clock: HandWoundClock
) -> None:
    site.NOTHING_SHARED_SESSIONS = {"ABSOLUTE_AGE": 2 * DAY, "IDLE_AGE": DAY}
    browser.post("/in/", user="ada")
    browser.post("/expire/", seconds=str(30 * DAY))
    for _ in range(4):
        assert user(browser) == "ada"
        clock.pass_(DAY / 2)
    clock.pass_(61)
    assert user(browser) == ""


def test_a_write_prolongs_the_login_as_well(
    site: Any, browser: Browser, ada: User, clock: HandWoundClock
) -> None:
    browser.post("/in/", user="ada")
    clock.pass_(site.SESSION_COOKIE_AGE - 10)
    assert put(browser, colour="green").cookies.keys() == {LOGIN, DATA}
    clock.pass_(site.SESSION_COOKIE_AGE - 10)
    assert (user(browser), content(browser)) == ("ada", {"colour": "green"})


def test_nodes_of_different_clocks_pass_a_session_back_and_forth(
    site: Any, browser: Browser, ada: User, clock: HandWoundClock
) -> None:
    browser.post("/in/", user="ada")
    for number in range(10):
        clock.pass_(30 if number % 2 else -30)
        put(browser, number=number)
        assert (user(browser), content(browser)) == ("ada", {"number": number})


# Its keys ------------------------------------------------------------------------------------


def test_a_rotated_key_signs_nobody_out_and_cookies_are_issued_anew_when_read(
    site: Any, browser: Browser, ada: User
) -> None:
    site.SECRET_KEY = "old" * 20
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "new" * 20, ["old" * 20]
    answer = browser.get("/")
    assert json.loads(answer.text)["user"] == "ada"
    assert answer.cookies.keys() == {LOGIN, DATA}
    assert not browser.get("/").cookies, "once"
    site.SECRET_KEY_FALLBACKS = []
    assert (user(browser), content(browser)) == ("ada", {"colour": "green"})


def test_a_deploy_that_makes_the_new_key_known_first_signs_nobody_out(site: Any, ada: User) -> None:
    """Nodes that know the new key as a fallback, and nodes that already sign with it."""
    old, new = "old" * 20, "new" * 20
    browser = Browser()

    def node(key: str, fallback: str) -> None:
        site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = key, [fallback]

    node(old, new)
    browser.post("/in/", user="ada")
    for number in range(6):
        node(*((old, new), (new, old))[number % 2])
        put(browser, number=number)
        assert (user(browser), content(browser)) == ("ada", {"number": number})


def test_another_cookie_name_or_namespace_is_another_purpose(site: Any, ada: User) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    cookie = browser.cookies[LOGIN]
    site.SESSION_COOKIE_NAME = "other"
    browser.cookies = {"other": cookie}
    assert user(browser) == ""
    site.SESSION_COOKIE_NAME = LOGIN
    site.NOTHING_SHARED_SESSIONS = {"NAMESPACE": "admin"}
    browser.cookies = {LOGIN: cookie}
    assert user(browser) == ""


def test_seals_may_be_switched_on_and_off_on_a_running_site(site: Any, ada: User) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    for seals in (True, False, True):
        site.NOTHING_SHARED_SESSIONS = {"SEAL": seals}
        put(browser, seals=seals)
        assert (user(browser), content(browser)) == ("ada", {"seals": seals})


# Its size ------------------------------------------------------------------------------------


def test_more_than_a_browser_keeps_is_an_error_that_names_the_biggest_keys(site: Any) -> None:
    site.NOTHING_SHARED_SESSIONS = {"COMPRESS": False}
    session = SessionStore()
    session.update({"small": 1, "basket": "x" * 3000, "history": "y" * 2000})
    with pytest.raises(SessionTooLarge, match=r"'basket' \(3002 bytes\), 'history' \(2002 bytes\)"):
        session.save()


def test_a_site_that_says_so_gets_more_cookies_and_they_go_when_they_are_not_needed(
    site: Any, ada: User
) -> None:
    site.NOTHING_SHARED_SESSIONS = {"COMPRESS": False, "CHUNKS": 3}
    browser = Browser()
    browser.post("/in/", user="ada")
    put(browser, basket="x" * 8000)
    assert browser.cookies.keys() == {LOGIN, DATA, f"{DATA}.1", f"{DATA}.2"}
    assert content(browser) == {"basket": "x" * 8000}
    older = dict(browser.cookies)
    put(browser, basket="y" * 8000)
    mixed = Browser()
    mixed.cookies = {**browser.cookies, f"{DATA}.1": older[f"{DATA}.1"]}
    assert (user(mixed), content(mixed)) == ("ada", {}), "of two generations"
    put(browser, basket="short")
    assert browser.cookies.keys() == {LOGIN, DATA}


# Requests at the same time -------------------------------------------------------------------


def twice(browser: Browser, *forms: dict[str, Any]) -> list[Any]:
    """Send requests that all begin with the cookies of now, and keep their answers back."""
    return [browser.send("POST", "/put/", {"content": json.dumps(form)}, {}) for form in forms]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_two_requests_at_a_time_lose_nothing_of_each_other(
    site: Any, ada: User, order: list[int]
) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    put(browser, seen=0)
    answers = twice(browser, {"left": 1}, {"right": 2})
    for number in order:
        browser.keep(answers[number])
    assert content(browser) == {"seen": 0, "left": 1, "right": 2}
    assert not browser.get("/").cookies, "the client has the newest now"


def test_a_hundred_requests_of_which_two_write_keep_both(site: Any) -> None:
    browser = Browser()
    put(browser, seen=0)
    answers = [browser.send("GET", "/", None, {}) for _ in range(49)]
    answers += twice(browser, {"left": 1}) + answers + twice(browser, {"right": 2})
    for answer in reversed(answers):
        browser.keep(answer)
    assert content(browser) == {"seen": 0, "left": 1, "right": 2}


def test_a_key_that_one_request_deletes_and_another_leaves_is_gone(site: Any) -> None:
    browser = Browser()
    put(browser, old=1, kept=2)
    dropped = browser.send("POST", "/drop/", {"key": "old"}, {})
    (added,) = twice(browser, {"new": 3})
    browser.keep(dropped)
    browser.keep(added)
    assert content(browser) == {"kept": 2, "new": 3}


def test_a_data_write_that_is_late_undoes_no_sign_in(site: Any, ada: User) -> None:
    browser = Browser()
    put(browser, seen=0)
    (late,) = twice(browser, {"left": 1})
    browser.post("/in/", user="ada")
    browser.keep(late)
    assert user(browser) == "ada"


def test_a_data_write_that_is_late_undoes_no_sign_out(site: Any, ada: User) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    put(browser, seen=0)
    (late,) = twice(browser, {"left": 1})
    browser.post("/out/")
    browser.keep(late)
    assert (user(browser), content(browser)) == ("", {})


def test_older_data_than_this_machine_has_made_does_not_come_back(site: Any) -> None:
    browser = Browser()
    put(browser, tries=1)
    before = dict(browser.cookies)
    put(browser, tries=2)
    browser.cookies = before
    assert content(browser) == {"tries": 2}


# Its end before its time -----------------------------------------------------------------------


def test_all_but_one_session_of_a_user_end(site: Any, ada: User) -> None:
    mine, other = Browser(), Browser()
    for browser in (mine, other):
        browser.post("/in/", user="ada")
    before = dict(mine.cookies)
    mine.post("/end-others/")
    assert (user(mine), user(other)) == ("ada", "")
    assert mine.cookies != before, "it carries the sign-out's number"
    mine.cookies = before
    assert user(mine) == "ada", "and is known without"
    revoke_sessions(ada)
    assert user(mine) == ""
    mine.post("/in/", user="ada")
    assert user(mine) == "ada"


def test_a_sign_out_everywhere_and_a_sign_in_within_one_second_are_told_apart(
    site: Any, ada: User, clock: HandWoundClock
) -> None:
    browser = Browser()
    for _ in range(5):
        browser.post("/in/", user="ada")
        assert user(browser) == "ada"
        revoke_sessions(ada)
        assert user(browser) == ""


def test_a_node_whose_clock_is_slow_ends_what_a_fast_one_began(
    site: Any, ada: User, clock: HandWoundClock
) -> None:
    revoke_sessions(ada)
    browser = Browser()
    clock.pass_(30)
    browser.post("/in/", user="ada")
    clock.pass_(-60)
    assert user(browser) == "ada"
    revoke_sessions(ada)
    assert user(browser) == ""


def test_keep_takes_a_session_of_the_same_user_only(site: Any, ada: User) -> None:
    with pytest.raises(ValueError, match="allowed: the session of a request of this user's"):
        revoke_sessions(ada, keep=SessionStore())


def test_entries_leave_when_no_cookie_could_need_them(site: Any, ada: User) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    browser.post("/out/")
    revoke_sessions(ada)
    assert Revocation.objects.count() == 2
    Revocation.objects.update(expires=F("expires") - 4 * site.SESSION_COOKIE_AGE - 60)
    SessionStore.clear_expired()
    assert Revocation.objects.count() == 2
    Revocation.objects.update(expires=F("expires") - 200)
    SessionStore.clear_expired()
    assert Revocation.objects.count() == 0
