"""What a node's own troubles cost its visitors: its memory, its clock, its transactions."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from nothing_shared.causality.scopes import begin
from nothing_shared.locks import LockTimeout
from nothing_shared.node import layout, process
from nothing_shared.sessions import memory, recent, revocations, wall
from nothing_shared.sessions.authentication import CachedModelBackend
from nothing_shared.sessions.models import Revocation
from tests.sessions.browser import Browser, content_of, put, user_of
from tests.wait import wait_until


def test_without_a_node_the_database_is_asked(
    site: Any, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    thief = browser.copy()

    def fail() -> Any:
        raise LockTimeout("somebody is stopped")

    with monkeypatch.context() as patch:
        patch.setattr(revocations, "_current", fail)
        patch.setattr(revocations, "_revoked", None)
        assert user_of(browser) == "ada"
        browser.post("/out/")
        assert user_of(thief) == ""


def test_what_was_written_in_a_session_that_is_withheld_by_now_is_saved(
    site: Any, ada: User, serve: Any
) -> None:
    site.NOTHING_SHARED_SESSIONS = {"WHEN_PARTITIONED": "deny"}
    browser = Browser()
    browser.post("/in/", user="ada")
    node = process.current()
    wait_until(node.table.leased)

    def write(request: Any) -> HttpResponse:
        request.session["late"] = True
        node.table.words[layout.LEASE_UNTIL] = 0
        return HttpResponse("written")

    serve(write)
    assert put(browser).status == 200
    wait_until(node.table.leased)
    assert content_of(browser) == {"late": True}


@pytest.mark.parametrize("failure", [LockTimeout, ImproperlyConfigured, OSError])
def test_without_its_memory_a_node_signs_nobody_out_and_still_signs_out(
    site: Any, ada: User, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    put(browser, colour="green")
    thief = browser.copy()

    def fail(directory: Any) -> Any:
        raise failure("the node's directory is gone")

    monkeypatch.setattr(memory, "_recent", None)
    monkeypatch.setattr(memory, "Recent", fail)
    assert (user_of(browser), content_of(browser)) == ("ada", {"colour": "green"})
    put(browser, colour="red")
    assert content_of(browser) == {"colour": "red"}
    browser.post("/out/")
    assert user_of(thief) == ""


def test_the_room_for_memory_is_taken_at_once(tmp_path: Any) -> None:
    """On a disk that is full the first write would kill the process that maps the file."""
    recent.Recent(tmp_path)
    status = (tmp_path / recent.FILE_NAME).stat()
    assert status.st_blocks * 512 >= recent.CELLS * recent.CELL


@pytest.mark.django_db(transaction=True)
def test_a_node_whose_clock_is_months_ahead_forgets_no_sign_out(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations.end_session("ab" * 16, until=int(time.time()) + 56 * 86_400)
    monkeypatch.setattr(wall, "clock", lambda: time.time() + 90 * 86_400)
    assert revocations.purge() == 0
    assert Revocation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_where_views_run_in_transactions_a_signed_in_page_asks_nothing_either(
    site: Any, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    browser.post("/in/", user="ada")
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setattr(revocations, "_revoked", None)

    def asks_nothing() -> bool:
        with CaptureQueriesContext(connection) as captured:
            assert user_of(browser) == "ada"
        return not [query for query in captured if "revocation" in query["sql"]]

    wait_until(asks_nothing)  # once the node has its lease


@pytest.mark.django_db(transaction=True)
def test_a_node_that_may_be_deaf_caches_no_user_whatever_its_cache_would_serve(
    site: Any, ada: User
) -> None:
    cache = "nothing_shared.cache.backends.MachineCache"
    site.CACHES = {"default": {"BACKEND": cache, "OPTIONS": {"WHEN_PARTITIONED": "serve"}}}
    backend, node = CachedModelBackend(), process.current()
    wait_until(node.table.leased)
    begin()
    assert backend.get_user(ada.pk)
    connection.connection.execute(f"UPDATE auth_user SET is_active = 0 WHERE id = {ada.pk}")

    def is_shut_out() -> bool:
        node.table.words[layout.LEASE_UNTIL] = 0  # until the agent renews it
        begin()
        return backend.get_user(ada.pk) is None

    wait_until(is_shut_out)
    wait_until(node.table.leased)
