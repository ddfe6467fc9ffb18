"""The schema of a connection: what its models say, and what its database says of itself."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from nothing_shared.causality.findings import Findings, completed
from nothing_shared.causality.functions import COMMON
from nothing_shared.causality.introspection import INTROSPECTIONS
from nothing_shared.causality.relations import Kind, Reach, Schema, TableInfo
from nothing_shared.causality.sql import bare_name, fold
from nothing_shared.causality.statement import is_cut
from nothing_shared.clock import SECOND, Clock, boottime_ns

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

__all__ = [
    "Schema",
    "Schemas",
    "TableInfo",
    "bare_name",
    "forget",
    "from_models",
    "introspect",
    "schema_for",
]

logger = logging.getLogger("nothing_shared.causality")

PAUSE = 10 * SECOND
"""How long a database that would not tell is left alone."""

INTEGERS = frozenset(
    """
    AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField
    PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField
    """.split()
)


def from_models(vendor: str, apps: Apps) -> Schema:
    """Return what the models say. It is not complete: a database may hold more."""
    tables: dict[str, TableInfo] = {}
    views: dict[str, Reach] = {}
    cascades: dict[str, frozenset[str]] = {}
    for model in apps.get_models(include_auto_created=True, include_swapped=True):
        name, info = bare_name(model._meta.db_table), table_info(model)
        if is_cut(name):
            continue
        tables[name] = tables.get(name, info).merged(info)
        if not model._meta.managed:
            views[name] = None  # for all that is known, a view
        for parent in parents_in_database(model):
            cascades[parent] = cascades.get(parent, frozenset()) | {name}
    return Schema(vendor, tables=tables, views=views, cascades=cascades, functions=COMMON)


def table_info(model: type[Model]) -> TableInfo:
    key: Any = model._meta.pk
    column, kind = getattr(key, "column", None), kind_of(key)
    if column is None or kind is None:
        return TableInfo()
    return TableInfo(fold(column), kind, is_auto=key.get_internal_type().endswith("AutoField"))


def kind_of(field: Any) -> Kind | None:
    """Return which keys pin rows of this key; that of a foreign key is its target's."""
    while field.remote_field is not None:
        field = field.target_field
    name = field.get_internal_type()
    return "int" if name in INTEGERS else "uuid" if name == "UUIDField" else None


def parents_in_database(model: type[Model]) -> set[str]:
    """Return the tables whose deletes the database itself carries on to this model's table."""
    remotes = [field.remote_field for field in model._meta.local_fields if field.remote_field]
    return {
        bare_name(remote.model._meta.db_table)
        for remote in remotes
        if hasattr(getattr(remote, "on_delete", None), "on_delete_sql")
    }


def introspect(connection: BaseDatabaseWrapper) -> Findings | None:
    """Return what the database says of itself; None where it can't be asked now, or ever.

    Raises what the driver raises.
    """
    raw, asking = connection.connection, INTROSPECTIONS.get(connection.vendor)
    if raw is None and hasattr(connection, "catalog"):  # it connects late, and has others to ask
        raw = connection.catalog()
    if raw is None or asking is None or not asking.is_idle(raw):
        return None
    return asking.ask(raw)


class Schemas:
    """The schemas of this process by database, each asked for once."""

    def __init__(self, *, clock: Clock = boottime_ns) -> None:
        self._known: dict[tuple[str, object], Schema] = {}
        self._models: dict[str, Schema] = {}
        self._retry: dict[str, int] = {}
        self._generation = 0
        self._lock = threading.Lock()
        self._clock = clock

    def of(self, connection: BaseDatabaseWrapper, changed_at: int = 0) -> Schema:
        """Return the schema; what the models say for as long as the database can't be asked.

        The database is asked outside transactions only, so that it is never disturbed, and its
        answer never one that is rolled back. An answer asked for no later than ``changed_at``
        (nanoseconds since boot) is not believed: some process has changed the schema since.
        """
        name = (connection.alias, connection.settings_dict["NAME"])
        known = self._known.get(name)
        if known is not None and known.asked_at > changed_at:
            return known
        return self._ask(name, connection)

    def forget(self, alias: str | None = None) -> None:
        """Ask anew at the next statement: all databases, or one alias.

        Several aliases may be one database, and a change shows to others only when it commits: so
        forget all, and forget again after the commit.
        """
        with self._lock:
            self._generation += 1
            self._retry.clear()
            for name in [name for name in self._known if alias in (None, name[0])]:
                del self._known[name]

    def _ask(self, name: tuple[str, object], connection: BaseDatabaseWrapper) -> Schema:
        generation, models = self._generation, self._of_models(connection.vendor)
        asked_at = self._clock()
        found = self._introspect(connection)
        if found is None:
            return models
        schema = completed(models, found, asked_at=asked_at)
        with self._lock:
            if generation == self._generation:
                self._known[name] = schema
        return schema

    def _introspect(self, connection: BaseDatabaseWrapper) -> Findings | None:
        """Ask once, and after a failure not again for a while: statements must not wait for it."""
        alias, now = connection.alias, self._clock()
        if now < self._retry.get(alias, 0):
            return None
        try:
            return introspect(connection)
        except Exception:
            self._retry[alias] = now + PAUSE
            logger.warning(
                "The catalog of %r can't be read: every write there counts as one of everything.",
                alias,
                exc_info=True,
            )
            return None

    def _of_models(self, vendor: str) -> Schema:
        from django.apps import apps

        if not apps.models_ready:
            return Schema(vendor)
        if vendor not in self._models:
            self._models[vendor] = from_models(vendor, apps)
        return self._models[vendor]


_schemas = Schemas()
schema_for = _schemas.of
forget = _schemas.forget
