"""What users name, as slots: what an entry depends on, and what an invalidation touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard
from uuid import UUID

from django.db import models, router

from nothing_shared.causality.identity import database_of
from nothing_shared.causality.pending import touch
from nothing_shared.causality.sql import bare_name
from nothing_shared.node import slots

__all__ = ["Name", "depended_on", "invalidate", "touched"]

Name = str | type[models.Model] | models.Model
"""A name of the site's own, a model class (all its rows), or an instance (its row)."""


def depended_on(names: Iterable[Name], *, using: str | None = None) -> Iterator[int]:
    """Yield the slots that a reader of these things depends on."""
    for name in names:
        if isinstance(name, str):
            yield slots.name(name)
        for database, table, key in _rows(name, using):
            if key is None:
                yield slots.table(database, table)
            else:
                yield slots.rows(database, table)
                yield slots.row(database, table, key)


def touched(names: Iterable[Name], *, using: str | None = None) -> Iterator[int]:
    """Yield the slots that a writer of these things touches."""
    for name in names:
        if isinstance(name, str):
            yield slots.name(name)
        for database, table, key in _rows(name, using):
            yield slots.table(database, table)
            yield slots.rows(database, table) if key is None else slots.row(database, table, key)


def _rows(name: Any, using: str | None) -> Iterator[tuple[str, str, str | None]]:
    if isinstance(name, str):
        return
    if not (isinstance(name, models.Model) or _is_model(name)):
        raise TypeError(
            f"{name!r} can't be depended on or invalidated; allowed: a string, a model class, or an "
            "instance of one."
        )
    key = _canonical(name.pk) if isinstance(name, models.Model) else None
    database = database_of(using or _alias(name))
    for model in (type(name) if isinstance(name, models.Model) else name,):
        yield database, bare_name(model._meta.db_table), key
        for parent in model._meta.all_parents:
            yield database, bare_name(parent._meta.db_table), key


def _is_model(name: Any) -> TypeGuard[type[models.Model]]:
    return isinstance(name, type) and issubclass(name, models.Model)


def _alias(name: models.Model | type[models.Model]) -> str:
    if isinstance(name, models.Model):
        return name._state.db or router.db_for_write(type(name), instance=name)
    return router.db_for_write(name)


def _canonical(key: Any) -> str | None:
    """Write an int or UUID as the footprints of statements do; other keys count as the table."""
    if isinstance(key, UUID):
        return key.hex
    return str(key) if type(key) is int else None


def invalidate(*names: Name, using: str | None = None) -> None:
    """Forget, on every node, all that depends on these things.

    ``"weather"`` is any name that some ``depends_on=`` gave; a model class is all its rows, an
    instance is its row. In a transaction it is done now and once more on commit. Costs the same
    whatever number of entries depend on it. ``using`` is the database alias of models, by default
    the instance's own or the router's.
    """
    touch(touched(names, using=using))
