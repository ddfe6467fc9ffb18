from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections

from nothing_shared.bus import Message, process, subscribe
from nothing_shared.checks import TAG
from tests.docs_site.blocks import Block, blocks_of

BACKENDS = "nothing_shared.bus.backends"
CHANNELS = f"{BACKENDS}.channels.ChannelsBus"
LAYERS = {
    "memory": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "redis": {"BACKEND": "channels_redis.core.RedisChannelLayer"},
    "rabbitmq": {"BACKEND": "channels_rabbitmq.core.RabbitmqChannelLayer"},
    "pigeon": {"BACKEND": "channels_pigeon.PigeonChannelLayer"},
}


def messages(id: str, *databases: str) -> list[CheckMessage]:
    checked = run_checks(tags=[TAG], databases=list(databases))
    return [message for message in checked if message.id == id]


def found(id: str, *databases: str) -> list[str]:
    return [message.msg for message in messages(id, *databases)]


def test_sound_settings_pass_the_checks(settings: Any, tmp_path: Path) -> None:
    settings.NOTHING_SHARED_BUS = {"LOCATION": str(tmp_path / "bus"), "MAX_PENDING": 10}
    assert not found("nothing_shared_bus.E001")
    assert not found("nothing_shared_bus.E002")
    assert not (tmp_path / "bus").exists(), "a check leaves nothing behind"


def test_a_misspelt_key_is_an_error_that_asks_what_was_meant(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"LOCATON": "/tmp/bus"}
    (text,) = found("nothing_shared_bus.E001")
    assert 'Did you mean "LOCATION"?' in text


def test_a_value_out_of_bounds_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"MAX_PENDING": 0}
    assert found("nothing_shared_bus.E001")


def test_a_backend_that_is_not_there_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"BACKEND": "nothing_shared.bus.backends.pigeon.PigeonBus"}
    (text,) = found("nothing_shared_bus.E002")
    assert "pigeon" in text
    with pytest.raises(ImproperlyConfigured, match="pigeon"):
        process.current()


def test_an_option_that_the_backend_does_not_know_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"OPTIONS": {"RING_BITES": 2**20}}
    (text,) = found("nothing_shared_bus.E002")
    assert 'Did you mean "RING_BYTES"?' in text


def test_a_ring_that_is_too_small_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"OPTIONS": {"RING_BYTES": 1000}}
    assert found("nothing_shared_bus.E002")


# What a backend needs to be installed


@pytest.mark.parametrize(
    ("module", "backend", "extra"),
    [
        ("redis", f"{BACKENDS}.redis.RedisBus", "redis"),
        ("channels", CHANNELS, "channels"),
        ("nats", f"{BACKENDS}.nats.NatsBus", "nats"),
        ("psycopg", f"{BACKENDS}.postgres.PostgresBus", "postgres"),
    ],
)
def test_a_client_that_is_not_installed_is_named_with_what_brings_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch, module: str, backend: str, extra: str
) -> None:
    forget = [name for name in sys.modules if name.split(".")[0] == module]
    forget += [
        name
        for name in sys.modules
        if name.startswith(f"{BACKENDS}.")
        and name.rpartition(".")[2] not in ("base", "local", "network")
    ]
    for name in forget:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    monkeypatch.setattr(process, "_buses", {})  # where other tests may have left one
    settings.NOTHING_SHARED_BUS = {"BACKEND": backend}
    (text,) = found("nothing_shared_bus.E002")
    assert f"pip install 'nothing-shared[{extra}]'" in text


# What the docs say

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "choose-a-bus.md"
CHOICES = [block for block in blocks_of(PAGE) if "NOTHING_SHARED_BUS = " in block.source]


@pytest.mark.parametrize("block", CHOICES, ids=lambda block: f"line-{block.line}")
def test_the_settings_in_the_docs_pass_the_checks(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, block: Block
) -> None:
    written: dict[str, Any] = {"BASE_DIR": tmp_path}
    exec(block.source, written)
    for name, value in written.items():
        if name.isupper():
            setattr(settings, name, value)
    if "PostgresBus" in block.source:
        engine = "django.db.backends.postgresql"
        monkeypatch.setitem(connections.settings["default"], "ENGINE", engine)
    assert not [
        message for message in run_checks(tags=[TAG], databases=[]) if "_bus." in str(message.id)
    ]


# What a site expects of its bus


@pytest.fixture
def handler(subscriptions: None) -> Any:
    def ship(message: Message) -> None: ...

    return ship


@pytest.mark.parametrize("how", [{"durable": True}, {"group": "warehouse"}])
def test_a_durable_subscription_on_a_bus_that_keeps_nothing_is_an_error(
    settings: Any, tmp_path: Path, handler: Any, how: dict[str, Any]
) -> None:
    subscribe("sold", **how)(handler)
    settings.NOTHING_SHARED_BUS = {"LOCATION": str(tmp_path / "bus")}
    (error,) = messages("nothing_shared_bus.E003")
    assert "'sold'" in error.msg
    assert handler.__qualname__ in error.msg
    assert "LocalBus" in error.msg
    assert all(able in str(error.hint) for able in ("RedisBus", "NatsBus", "PostgresBus"))


def test_what_keeps_nothing_is_the_mode_and_not_the_backend(settings: Any, handler: Any) -> None:
    subscribe("sold", durable=True)(handler)
    redis = {"BACKEND": f"{BACKENDS}.redis.RedisBus", "LOCATION": "redis://127.0.0.1:1"}
    settings.NOTHING_SHARED_BUS = redis
    assert not found("nothing_shared_bus.E003")
    settings.NOTHING_SHARED_BUS = {**redis, "OPTIONS": {"MODE": "pubsub"}}
    assert found("nothing_shared_bus.E003")


def test_a_subscription_that_may_miss_messages_suits_every_bus(
    settings: Any, tmp_path: Path, handler: Any
) -> None:
    subscribe("sold")(handler)
    settings.NOTHING_SHARED_BUS = {"LOCATION": str(tmp_path / "bus")}
    assert not found("nothing_shared_bus.E003")


# Channel layers


@pytest.mark.parametrize("alias", ["redis", "rabbitmq"])
def test_a_layer_with_a_broker_passes_the_checks(settings: Any, alias: str) -> None:
    settings.CHANNEL_LAYERS = LAYERS
    settings.NOTHING_SHARED_BUS = {"BACKEND": CHANNELS, "LOCATION": alias}
    assert not found("nothing_shared_bus.E002")
    assert not found("nothing_shared_bus.W001")


def test_a_layer_in_memory_is_a_warning(settings: Any) -> None:
    settings.CHANNEL_LAYERS = LAYERS
    settings.NOTHING_SHARED_BUS = {"BACKEND": CHANNELS, "LOCATION": "memory"}
    (warning,) = messages("nothing_shared_bus.W001")
    assert "no other process" in warning.msg
    assert "CHANNEL_LAYERS" in str(warning.hint)


@pytest.mark.parametrize("alias", ["pigeon", "post"])
def test_a_layer_that_is_not_there_is_an_error(settings: Any, alias: str) -> None:
    settings.CHANNEL_LAYERS = LAYERS
    settings.NOTHING_SHARED_BUS = {"BACKEND": CHANNELS, "LOCATION": alias}
    (text,) = found("nothing_shared_bus.E002")
    assert repr(alias) in text


# The roster


@pytest.fixture
def without_roster(django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An alias of an empty database."""
    default = connections.settings["default"]
    monkeypatch.setitem(connections.settings, "empty", {**default, "NAME": ":memory:"})
    with django_db_blocker.unblock():
        yield "empty"
        connections["empty"].close()
        del connections["empty"]


def test_a_roster_without_its_table_is_a_warning_where_the_database_is_looked_at(
    settings: Any, without_roster: str
) -> None:
    settings.NOTHING_SHARED_BUS = {
        "BACKEND": f"{BACKENDS}.redis.RedisBus", "DATABASE": without_roster,
    }  # fmt: skip
    assert not found("nothing_shared_bus.W002"), "no check connects to a database unasked"
    assert not found("nothing_shared_bus.W002", "default"), "the roster is in another one"
    (warning,) = messages("nothing_shared_bus.W002", without_roster)
    assert warning.hint == "python manage.py migrate nothing_shared_bus --database empty"
    call_command("migrate", "nothing_shared_bus", database=without_roster, verbosity=0)
    assert not found("nothing_shared_bus.W002", without_roster), "the hint helps"


def test_a_bus_of_one_machine_needs_no_roster_in_a_database(
    settings: Any, tmp_path: Path, without_roster: str
) -> None:
    settings.NOTHING_SHARED_BUS = {"LOCATION": str(tmp_path), "DATABASE": without_roster}
    assert not found("nothing_shared_bus.W002", without_roster)
