from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nothing_shared.causality.scopes import begin
from nothing_shared.node import process
from nothing_shared.sessions.authentication import CachedModelBackend
from tests.wait import wait_until

BACKEND = CachedModelBackend()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    """Load a user and their permissions as a new request does; say how many queries that took."""

    def load(key: int) -> Any:
        user = BACKEND.get_user(key)
        return user and (user.get_username(), sorted(BACKEND.get_all_permissions(user)))

    async def aload(key: int) -> Any:
        user = await BACKEND.aget_user(key)
        return user and (user.get_username(), sorted(await _all_of(user)))

    async def _all_of(user: User) -> set[str]:
        return await BACKEND.aget_user_permissions(user) | await BACKEND.aget_group_permissions(
            user
        )

    def asked(key: int) -> tuple[Any, int]:
        begin()
        with CaptureQueriesContext(connection) as captured:
            found = load(key) if request.param == "sync" else async_to_sync(aload)(key)
        return found, len(captured)

    return asked


@pytest.fixture
def machine_cache(settings: Any, db: None) -> None:
    settings.CACHES = {"default": {"BACKEND": "nothing_shared.cache.backends.MachineCache"}}
    wait_until(process.current().table.leased)


@pytest.mark.usefixtures("machine_cache")
def test_a_user_is_loaded_once_and_anew_when_anything_of_theirs_changes(
    ask: Any, ada: User
) -> None:
    assert ask(ada.pk)[0] == ("ada", [])
    assert ask(ada.pk) == (("ada", []), 0)
    User.objects.create(username="somebody else")
    permission = Permission.objects.get(codename="add_group", content_type__app_label="auth")
    ada.user_permissions.add(permission)
    assert ask(ada.pk)[0] == ("ada", ["auth.add_group"])
    assert ask(ada.pk)[1] == 0
    group = Group.objects.create(name="staff")
    group.permissions.add(
        Permission.objects.get(codename="view_group", content_type__app_label="auth")
    )
    ada.groups.add(group)
    assert ask(ada.pk)[0] == ("ada", ["auth.add_group", "auth.view_group"])
    User.objects.filter(pk=ada.pk).update(username="countess")
    assert ask(ada.pk)[0][0] == "countess"
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert ask(ada.pk)[0] is None
    assert ask(ada.pk) == (None, 0)
    ada.delete()
    assert ask(ada.pk or 10**6)[0] is None


@pytest.mark.usefixtures("machine_cache")
def test_a_promoted_user_may_do_everything_at_once(ask: Any, ada: User) -> None:
    assert ask(ada.pk)[0] == ("ada", [])
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    assert "auth.add_user" in ask(ada.pk)[0][1]


@pytest.mark.usefixtures("machine_cache")
def test_what_a_request_read_before_it_is_nothing_a_user_depends_on(ada: User) -> None:
    begin()
    list(Group.objects.all())
    BACKEND.get_user(ada.pk)
    Group.objects.create(name="another")
    begin()
    with CaptureQueriesContext(connection) as captured:
        BACKEND.get_user(ada.pk)
    assert len(captured) == 0


def test_nothing_is_cached_where_the_cache_can_t_know_what_was_read(
    settings: Any, ask: Any, ada: User
) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert ask(ada.pk)[0] == ("ada", [])
    User.objects.filter(pk=ada.pk).update(username="countess")
    assert ask(ada.pk)[0] == ("countess", [])


def test_a_cache_that_is_not_there_is_no_cache(settings: Any, db: None) -> None:
    settings.NOTHING_SHARED_SESSIONS = {"USER_CACHE": "gone"}
    ada = User.objects.create(username="ada")
    assert BACKEND.get_user(ada.pk) == ada
