"""A router for sites that have replicas under aliases of their own, as Django's manual shows it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

__all__ = ["PrimaryRouter"]


class PrimaryRouter:
    """Keep everything off the aliases that only read: they are for ``using()``.

    An alias with ``"TEST": {"MIRROR": "default"}`` reads what ``default`` writes; nothing is read from it
    unless the code names it, nothing migrates it, and rows of both may be related. Which replica a
    statement may be read from is no question for a router, which sees a model and not the statement.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return self.db_for_write(model, **hints)

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        instance = hints.get("instance")
        alias = instance._state.db if instance is not None else None
        return primary_of(alias) if alias is not None else None

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        both = {primary_of(found._state.db or DEFAULT_DB_ALIAS) for found in (one, other)}
        return True if len(both) == 1 else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if primary_of(db) != db else None


def primary_of(alias: str) -> str:
    """Return the alias that writes what this one reads; itself, if that is it."""
    database: dict[str, Any] = settings.DATABASES.get(alias, {})
    return (database.get("TEST") or {}).get("MIRROR") or alias
