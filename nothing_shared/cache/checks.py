"""What can be wrong with the caches' settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register as register_check

from nothing_shared.cache.conf import BACKEND, CacheOptions
from nothing_shared.checks import TAG, settings_errors

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_cache.E001": "A cache's `OPTIONS` have an unknown key or a bad value.",
    "nothing_shared_cache.E002": "Two caches share a `LOCATION` and differ in their `OPTIONS`.",
    "nothing_shared_cache.E003": "Sessions are kept in a per-machine cache alone.",
    "nothing_shared_cache.W001": "`MAX_ENTRIES` or `CULL_FREQUENCY` is set, and not used.",
    "nothing_shared_cache.W002": "A cache keeps a truth of its own per worker or machine.",
}

UNUSED = ("MAX_ENTRIES", "CULL_FREQUENCY")
TIED: dict[Any, str] = {
    "django.core.cache.backends.locmem.LocMemCache": "each worker process keeps its own truth in it",
    "django.core.cache.backends.filebased.FileBasedCache": "each machine keeps its own truth in it",
}


def _ours() -> dict[str, dict[str, Any]]:
    return {
        alias: options
        for alias, options in settings.CACHES.items()
        if options.get("BACKEND") == BACKEND
    }


def check_options(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias, cache in _ours().items():
        where = f'CACHES["{alias}"]["OPTIONS"]'
        given = cache.get("OPTIONS") or {}
        found += settings_errors(where, CacheOptions, id="nothing_shared_cache.E001", given=given)
        for unused in UNUSED:
            if isinstance(given, dict) and unused in given:
                text = f'{where}["{unused}"] is not used: this cache is bounded by bytes.'
                hint = f'{where} = {{"L1_BYTES": …, "L2_BYTES": …}}'
                found.append(Warning(text, hint=hint, id="nothing_shared_cache.W001"))
    return found


def check_locations(**kwargs: Any) -> list[CheckMessage]:
    by_location: dict[str, tuple[str, Any]] = {}
    found: list[CheckMessage] = []
    for alias, cache in _ours().items():
        location, options = cache.get("LOCATION") or "default", cache.get("OPTIONS") or {}
        other, theirs = by_location.setdefault(location, (alias, options))
        if theirs != options:
            text = (
                f"The caches {other!r} and {alias!r} share the LOCATION {location!r} and differ in "
                "their OPTIONS: which ones count is chance."
            )
            hint = f'CACHES["{alias}"]["LOCATION"] = "{alias}"'
            found.append(Error(text, hint=hint, id="nothing_shared_cache.E002"))
    return found


def check_sessions(**kwargs: Any) -> list[CheckMessage]:
    alias = getattr(settings, "SESSION_CACHE_ALIAS", "default")
    if settings.SESSION_ENGINE != "django.contrib.sessions.backends.cache" or alias not in _ours():
        return []
    text = "Sessions are kept in a per-machine cache alone: another machine doesn't know its users."
    hint = 'SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"'
    return [Error(text, hint=hint, id="nothing_shared_cache.E003")]


def check_other_caches(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"CACHES[{alias!r}] is a {str(cache['BACKEND']).rpartition('.')[2]}: {TIED[cache['BACKEND']]}.",
            hint=f'CACHES = {{"{alias}": {{"BACKEND": "{BACKEND}"}}}}',
            id="nothing_shared_cache.W002",
        )
        for alias, cache in settings.CACHES.items()
        if cache.get("BACKEND") in TIED
    ]


def register() -> None:
    for check in (check_options, check_locations, check_sessions):
        register_check(check, TAG)
    register_check(check_other_caches, TAG, deploy=True)
