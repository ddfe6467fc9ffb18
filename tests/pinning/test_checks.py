"""What a person can get wrong about replicas is found before it is deployed, and shown afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.db.backends.postgresql import base

from nothing_shared.conf import InvalidSetting
from nothing_shared.pinning.mixin import PinningMixin
from nothing_shared.pinning.routers import PrimaryRouter
from tests.causality.shop.models import Author
from tests.pinning.local import ALIAS, connection
from tests.servers import Replication

OURS = "nothing_shared.pinning.postgresql"
MIDDLEWARE = ["nothing_shared.causality.middleware.CausalityMiddleware"]


def database(**more: Any) -> dict[str, Any]:
    return {"ENGINE": OURS, "NAME": "site", "HOST": "one", "CONN_MAX_AGE": None, **more}


@contextmanager
def configured(settings: Any, **more: Any) -> Iterator[None]:
    """Have a database of these settings under an alias that is there for the block."""
    given = {**connections.settings["default"], **database(**more)}
    settings.DATABASES["checked"] = connections.settings["checked"] = given
    try:
        yield
    finally:
        connections["checked"] = None  # or there may be none to delete
        del connections["checked"]
        settings.DATABASES.pop("checked")
        connections.settings.pop("checked", None)


def found(settings: Any, **more: Any) -> list[str]:
    with configured(settings, **more):
        messages = run_checks(tags=["nothing_shared"], include_deployment_checks=True)
    return [str(m.id) for m in messages if str(m.id).startswith("nothing_shared_pinning")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"REPLICAS": [{"HOST": "two"}]}, []),
        ({"REPLICAS": [{"HOST": "one"}]}, ["nothing_shared_pinning.E004"]),
        ({"REPLICAS": [{"HOST": "one", "PORT": 5433}]}, []),
        ({"REPLICAS": [{"HOTS": "two"}]}, ["nothing_shared_pinning.E002"]),
        ({"REPLICAS": [{"NAME": "copy"}]}, ["nothing_shared_pinning.E002"]),
        ({"REPLICAS": "two"}, ["nothing_shared_pinning.E002"]),
        ({"REPLICAS": [{"HOST": "two", "WEIGHT": 0}]}, ["nothing_shared_pinning.W004"]),
        (
            {"REPLICAS": [{"HOST": "two"}], "ATOMIC_REQUESTS": True},
            ["nothing_shared_pinning.W002"],
        ),
        ({"REPLICAS": [{"HOST": "two"}], "CONN_MAX_AGE": 0}, ["nothing_shared_pinning.W003"]),
        (
            {"REPLICAS": [{"HOST": "two"}], "ENGINE": "django.db.backends.postgresql"},
            ["nothing_shared_pinning.E003"],
        ),
    ],
)
def test_the_checks_name_what_is_wrong(
    settings: Any, more: dict[str, Any], expected: list[str]
) -> None:
    settings.MIDDLEWARE = MIDDLEWARE
    assert found(settings, **more) == expected


def test_replicas_without_the_middleware_are_never_read(settings: Any) -> None:
    settings.MIDDLEWARE = []
    assert found(settings, REPLICAS=[{"HOST": "two"}]) == ["nothing_shared_pinning.W001"]


def test_a_bad_setting_is_named(settings: Any) -> None:
    settings.NOTHING_SHARED_PINNING = {"FRESHNES": "node"}
    messages = run_checks(tags=["nothing_shared"])
    (message,) = [m for m in messages if m.id == "nothing_shared_pinning.E001"]
    assert 'Did you mean "FRESHNESS"' in message.msg


def test_construction_refuses_what_the_checks_would(settings: Any) -> None:
    broken = configured(settings, REPLICAS=[{"HOTS": "two"}])
    with broken, pytest.raises(InvalidSetting, match="Did you mean"):
        assert connections["checked"]


def test_a_backend_with_cursors_of_its_own_is_refused(settings: Any) -> None:
    class Tenants(base.DatabaseWrapper):
        def _cursor(self, name: str | None = None) -> Any:
            return super()._cursor(name)

    class Both(PinningMixin, Tenants):  # type: ignore[misc]
        pass

    with configured(settings, REPLICAS=[{"HOST": "two"}]):
        given = dict(connections.settings["checked"])
    with pytest.raises(ImproperlyConfigured, match="REPLICAS can't be used"):
        Both(given, "checked")


@pytest.mark.slow
def test_the_command_shows_how_far_each_server_has_got(pinned: Replication) -> None:
    pinned.replicas[1].kill()
    out = StringIO()
    call_command("replicas", stdout=out)
    primary, first, second = out.getvalue().splitlines()
    assert primary.startswith(ALIAS)
    assert "timeline 1" in primary
    assert first.split()[0] == f"{ALIAS}@0"
    assert first.endswith(("caught up", "bytes behind"))
    assert second.split() == [f"{ALIAS}@1", "away"]
    assert connection().connection is None


def test_a_router_keeps_everything_off_aliases_that_mirror_another(settings: Any) -> None:
    router, author, other = PrimaryRouter(), Author(name="Ursula"), Author(name="Octavia")
    author._state.db, other._state.db = "checked", "default"
    with configured(settings, TEST={"MIRROR": "default"}):
        assert router.db_for_read(Author, instance=author) == "default"
        assert router.db_for_write(Author) is None
        assert router.allow_migrate("checked", "shop") is False
        assert router.allow_migrate("default", "shop") is None
        assert router.allow_relation(author, other) is True
