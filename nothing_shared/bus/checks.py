"""What can be wrong with the bus's settings, and with what a site expects of its bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,
    register as register_check,
)
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from nothing_shared.bus.conf import SETTING, BusSettings, bus_settings
from nothing_shared.bus.topics import subscriptions
from nothing_shared.checks import TAG, settings_errors

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_bus.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_bus.E002": (
        "The bus can't be set up with these settings; where the broker's client is missing, it says "
        "what to install."
    ),
    "nothing_shared_bus.E003": (
        "A subscription is durable or names a group, and the backend can't do that."
    ),
    "nothing_shared_bus.W001": "The channel layer is one of this process alone: it joins nobody.",
    "nothing_shared_bus.W002": (
        "The table of the roster is missing. Told with `--database`; a warning, since an error would "
        "stop the `migrate` that makes the table."
    ),
}

ABLE = "RedisBus (Streams), NatsBus (JetStream), PostgresBus"
"""The backends that have groups."""


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    from nothing_shared.bus import process

    errors: list[CheckMessage] = list(
        settings_errors(SETTING, BusSettings, id="nothing_shared_bus.E001")
    )
    if errors:
        return errors
    try:
        bus = process.current()
    except (ImproperlyConfigured, OSError) as failure:
        hint = f'{SETTING} = {{"BACKEND": "{BusSettings().backend}"}}'
        return [Error(str(failure), hint=hint, id="nothing_shared_bus.E002")]
    found = [] if bus.has_groups else list(durable_in_vain(type(bus).__name__))
    return [*found, *([joins_nobody()] if bus.is_one_process else [])]


def durable_in_vain(bus: str) -> list[CheckMessage]:
    return [
        Error(
            f"{known.handler.__module__}.{known.handler.__qualname__} is subscribed to "
            f"{known.topic!r} {'as one of a group' if known.group else 'durably'}, and {bus} keeps "
            "no message for it.",
            hint=f"Backends that can: {ABLE}. Or leave out durable= and group=.",
            obj=known.handler,
            id="nothing_shared_bus.E003",
        )
        for known in subscriptions()
        if known.is_durable
    ]


def joins_nobody() -> CheckMessage:
    return Warning(
        "The bus is an InMemoryChannelLayer: no other process hears what this one says.",
        hint='CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}',
        id="nothing_shared_bus.W001",
    )


def check_roster(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    from nothing_shared.bus import process
    from nothing_shared.bus.backends.network import NetworkBus
    from nothing_shared.bus.models import Member

    try:
        alias, bus = bus_settings().database, process.current()
    except (ImproperlyConfigured, OSError):  # the other check says so
        return []
    table = Member._meta.db_table
    if not isinstance(bus, NetworkBus) or alias not in (databases or ()):
        return []
    if table in connections[alias].introspection.table_names():
        return []
    return [
        Warning(
            f"The roster's table {table!r} is missing in the database {alias!r}: no node hears "
            "another without it.",
            hint=f"python manage.py migrate nothing_shared_bus --database {alias}",
            id="nothing_shared_bus.W002",
        )
    ]


def register() -> None:
    register_check(check_settings, TAG)
    register_check(check_roster, TAG, Tags.database)
