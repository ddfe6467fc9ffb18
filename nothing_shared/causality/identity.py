"""Which aliases are one database."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.db import connections

from nothing_shared.causality.conf import SETTING, causality_settings

__all__ = ["database_of"]


@lru_cache(maxsize=64)
def database_of(alias: str) -> str:
    """Return the alias under which changes of this alias's data are known."""
    named = causality_settings().same_database.get(alias)
    if named is not None:
        return named
    mirrored = connections.settings.get(alias, {}).get("TEST", {}).get("MIRROR")
    return mirrored or alias


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in (SETTING, "DATABASES"):
        database_of.cache_clear()


setting_changed.connect(_forget, dispatch_uid="nothing_shared.causality.identity")
