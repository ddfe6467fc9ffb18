"""What ends a session, in every copy of it, and what ends none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse

from nothing_shared.sessions import revoke_sessions
from nothing_shared.sessions.backends.signed_cookies import SessionStore
from nothing_shared.sessions.models import Revocation
from tests.sessions.browser import Browser, content_of, put, user_of

LOGIN, DATA = "sessionid", "sessionid_data"

View = Callable[[Any], Any]
Serve = Callable[[View], None]


@pytest.fixture
def browser(site: Any, ada: User) -> Browser:
    """Ada's."""
    browser = Browser()
    browser.post("/in/", user="ada")
    return browser


@transaction.atomic
def sign_out_and_refuse(request: Any) -> HttpResponse:
    logout(request)
    raise PermissionDenied


@transaction.atomic
def sign_out_and_roll_back(request: Any) -> HttpResponse:
    """As an exception handler does that answers for the view."""
    logout(request)
    transaction.set_rollback(True)
    return HttpResponse("bad", status=400)


@pytest.mark.parametrize("view", [sign_out_and_refuse, sign_out_and_roll_back])
def test_a_sign_out_stands_though_its_transaction_was_rolled_back(
    browser: Browser, serve: Serve, view: View
) -> None:
    thief = browser.copy()
    serve(view)
    assert put(browser).status in (400, 403)
    assert browser.cookies == {}
    assert user_of(thief) == ""


def test_a_request_that_is_excused_from_csrf_checks_is_no_test_clients(
    site: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sites set the flag in a middleware of their own."""
    site.MIDDLEWARE = ["tests.sessions.views.excuse", *site.MIDDLEWARE]
    monkeypatch.delattr(mail, "outbox")
    put(browser, colour="green")
    assert browser.cookies.keys() == {LOGIN, DATA}


@pytest.mark.django_db(transaction=True)
def test_a_sign_out_that_was_committed_is_not_done_again(
    site: Any, ada: User, django_assert_num_queries: Any
) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    user_of(browser)
    with django_assert_num_queries(4):  # the user, BEGIN, the row, COMMIT
        browser.post("/out/")
    assert Revocation.objects.count() == 1


@pytest.mark.parametrize("is_signed_out_alone", [True, False])
def test_a_session_that_was_ended_meanwhile_goes_on_under_no_other_id(
    browser: Browser, ada: User, serve: Serve, is_signed_out_alone: bool
) -> None:
    other = browser.copy()

    def step_up(request: Any) -> HttpResponse:
        assert request.user.is_authenticated
        if is_signed_out_alone:
            other.post("/out/")
        else:
            revoke_sessions(ada)
        request.session.cycle_key()
        return HttpResponse("up")

    serve(step_up)
    assert put(browser).status == 400
    assert user_of(browser) == ""


def test_a_session_under_a_new_id_is_as_old_as_it_was_for_sign_outs_everywhere(
    browser: Browser, ada: User
) -> None:
    store = SessionStore(browser.cookies[LOGIN])
    store.load()
    with transaction.atomic():
        store.cycle_key()
        token = store.tokens[0]
    revoke_sessions(ada)
    assert token.header.generation == 0
    assert not SessionStore().exists(store.session_key)


def test_the_one_session_that_is_spared_may_change_its_id(
    browser: Browser, ada: User, serve: Serve
) -> None:
    other = Browser()
    other.post("/in/", user="ada")

    def change(request: Any) -> HttpResponse:
        revoke_sessions(request.user, keep=request.session)
        request.session.cycle_key()
        return HttpResponse("changed")

    serve(change)
    assert put(browser).status == 200
    assert (user_of(browser), user_of(other)) == ("ada", "")


def take_out(request: Any) -> HttpResponse:
    for key in ("_auth_user_id", "_auth_user_backend", "_auth_user_hash"):
        del request.session[key]
    return HttpResponse("out")


def clear(request: Any) -> HttpResponse:
    request.session.clear()
    return HttpResponse("out")


@pytest.mark.parametrize("view", [take_out, clear])
def test_a_login_that_is_taken_out_by_hand_has_ended_in_every_copy(
    browser: Browser, serve: Serve, view: View
) -> None:
    put(browser, colour="green")
    thief = browser.copy()
    late = browser.send("POST", "/put/", {"content": json.dumps({"colour": "red"})}, {})
    serve(view)
    put(browser)
    browser.keep(late)
    assert (user_of(browser), user_of(thief)) == ("", "")
    assert browser.cookies.keys() == {DATA}


def change_password(request: Any) -> HttpResponse:
    request.user.set_password("new")
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse("changed")


def test_a_late_answer_to_a_copy_that_has_ended_signs_nobody_out(
    browser: Browser, serve: Serve
) -> None:
    serve(change_password)
    poll = browser.copy()
    changed = browser.send("POST", "/put/", {}, {})
    late = poll.send("GET", "/", None, {})
    browser.keep(changed)
    browser.keep(late)
    assert user_of(browser) == "ada"
    assert user_of(poll) == ""


@transaction.atomic
def change_password_and_fail(request: Any) -> HttpResponse:
    change_password(request)
    raise RuntimeError("after it")


@pytest.mark.django_db(transaction=True)
def test_a_password_change_that_fails_signs_nobody_out(site: Any, ada: User, serve: Serve) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    serve(change_password_and_fail)
    assert put(browser).status == 500
    assert user_of(browser) == "ada"


@pytest.mark.django_db(transaction=True)
def test_a_sign_in_that_fails_takes_nothing_from_the_visitor(
    site: Any, ada: User, serve: Serve
) -> None:
    @transaction.atomic
    def sign_in(request: Any) -> HttpResponse:
        person: Any = ada
        login(request, person)
        raise RuntimeError("after it")

    browser = Browser()
    put(browser, cart=[1])
    serve(sign_in)
    assert put(browser).status == 500
    assert content_of(browser) == {"cart": [1]}


def test_a_rotated_key_ends_no_session_of_requests_at_a_time(site: Any, browser: Browser) -> None:
    site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "x" * 60, [site.SECRET_KEY]
    answers = [browser.copy().send("GET", "/", None, {}) for _ in range(2)]
    for answer in answers:
        assert json.loads(answer.text)["user"] == "ada"
        browser.keep(answer)
    assert user_of(browser) == "ada"


@pytest.mark.parametrize("prefix", ["/", "/a/"])
def test_nodes_of_which_each_signs_with_another_key_end_no_session(
    site: Any, ada: User, prefix: str
) -> None:
    browser = Browser(is_async=True)
    browser.post(f"{prefix}in/", user="ada")
    keys = [site.SECRET_KEY, "x" * 60]
    for _ in range(6):
        keys.reverse()
        site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = keys[0], [keys[1]]
        assert json.loads(browser.get(prefix).text)["user"] == "ada"
    assert not Revocation.objects.exists()


def test_a_password_change_while_a_key_is_rotated_ends_other_copies(
    site: Any, browser: Browser, serve: Serve
) -> None:
    thief = browser.copy()
    site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "x" * 60, [site.SECRET_KEY]
    serve(change_password)
    put(browser)
    assert (user_of(browser), user_of(thief)) == ("ada", "")
    assert Revocation.objects.count() == 1


def test_a_node_that_does_not_know_the_new_key_yet_leaves_its_cookies_alone(
    site: Any, browser: Browser
) -> None:
    old = site.SECRET_KEY
    site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "x" * 60, [old]
    user_of(browser)
    site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = old, []
    assert user_of(browser) == ""
    site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "x" * 60, [old]
    assert user_of(browser) == "ada"
