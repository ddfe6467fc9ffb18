"""What can be wrong with the way reads and writes are heard."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register as register_check
from django.db import connections

from nothing_shared.causality.conf import SETTING, CausalitySettings, causality_settings
from nothing_shared.causality.identity import database_of
from nothing_shared.checks import TAG, settings_errors
from nothing_shared.conf import problems

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_causality.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_causality.E002": "`SAME_DATABASE` names an alias that `DATABASES` doesn't have.",
    "nothing_shared_causality.W001": "`CausalityMiddleware` is missing or not first.",
    "nothing_shared_causality.W002": "Two aliases may reach the same data, and nothing says so.",
}

MIDDLEWARE = "nothing_shared.causality.middleware.CausalityMiddleware"


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return list(settings_errors(SETTING, CausalitySettings, id="nothing_shared_causality.E001"))


def check_aliases(**kwargs: Any) -> list[CheckMessage]:
    if problems(SETTING, CausalitySettings):
        return []
    named = causality_settings().same_database
    unknown = sorted({*named, *named.values()} - set(connections))
    return [
        Error(
            f"{SETTING}['SAME_DATABASE'] names the alias {alias!r}, which DATABASES doesn't have.",
            hint=f"Allowed: {', '.join(connections)}.",
            id="nothing_shared_causality.E002",
        )
        for alias in unknown
    ]


def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    if settings.MIDDLEWARE[:1] == [MIDDLEWARE] or tuple(settings.MIDDLEWARE[:1]) == (MIDDLEWARE,):
        return []
    said = "is not first in" if MIDDLEWARE in settings.MIDDLEWARE else "is missing from"
    text = (
        f"CausalityMiddleware {said} MIDDLEWARE: under ASGI, reads before it are not seen, and "
        "clients don't see their own writes on other nodes."
    )
    hint = f'MIDDLEWARE = ["{MIDDLEWARE}", …]'
    return [Warning(text, hint=hint, id="nothing_shared_causality.W001")]


def check_same_data(**kwargs: Any) -> list[CheckMessage]:
    if problems(SETTING, CausalitySettings):
        return []
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for alias, options in settings.DATABASES.items():
        name = str(options.get("NAME") or "")
        if name and ":memory:" not in name:
            groups[str(options.get("ENGINE", "")), name].add(alias)
    return [
        Warning(
            f"The aliases {', '.join(sorted(aliases))} have the same ENGINE and NAME {name!r}: what is "
            "written through one is not known to change what is read through another.",
            hint=f'{SETTING} = {{"SAME_DATABASE": {{"{max(aliases)}": "{min(aliases)}"}}}}',
            id="nothing_shared_causality.W002",
        )
        for (_, name), aliases in groups.items()
        if len({database_of(alias) for alias in aliases}) > 1
    ]


def register() -> None:
    for check in (check_settings, check_aliases, check_middleware, check_same_data):
        register_check(check, TAG)
