"""What can be wrong with the bus's settings."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register as register_check
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.bus.conf import SETTING, BusSettings
from nothing_shared.checks import TAG, settings_errors

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_bus.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_bus.E002": "The bus can't be set up with these settings.",
}


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    from nothing_shared.bus import process

    errors: list[CheckMessage] = list(
        settings_errors(SETTING, BusSettings, id="nothing_shared_bus.E001")
    )
    if errors:
        return errors
    try:
        process.current()
    except (ImproperlyConfigured, OSError) as failure:
        hint = f'{SETTING} = {{"BACKEND": "{BusSettings().backend}"}}'
        return [Error(str(failure), hint=hint, id="nothing_shared_bus.E002")]
    return []


def register() -> None:
    register_check(check_settings, TAG)
