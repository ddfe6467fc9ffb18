"""Put the observers in place."""

from __future__ import annotations

from typing import Any

from django.core.signals import request_finished, request_started
from django.db import connections
from django.db.backends.signals import connection_created

from nothing_shared.causality import scopes
from nothing_shared.causality.identity import database_of
from nothing_shared.causality.observer import observe
from nothing_shared.causality.pending import settle_all
from nothing_shared.causality.schema import schema_for
from nothing_shared.causality.sessions import may_still_commit
from nothing_shared.node import process, slots
from nothing_shared.node.hooks import on_orphan

__all__ = ["install", "is_installed"]

_NAME = "nothing_shared.causality"


def install() -> None:
    """Observe every connection from now on; called by every app that rests on causality."""
    connection_created.connect(_observe_new, dispatch_uid=_NAME)
    request_started.connect(_begin, dispatch_uid=_NAME)
    request_finished.connect(_settle, dispatch_uid=_NAME)
    on_orphan(may_still_commit)
    for connection in connections.all(initialized_only=True):
        observe(connection)


def is_installed() -> bool:
    return any(key[0] == _NAME for key, *_ in connection_created.receivers)


def _observe_new(*, connection: Any, **kwargs: Any) -> None:
    if not observe(connection):
        return
    schema_for(connection)  # no transaction is open yet, which would keep it from asking


def _begin(**kwargs: Any) -> None:
    """Start a unit of work, and ask a changed schema while no transaction is open."""
    unit = scopes.begin()
    unit.is_new = not unit.is_serving
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and not connection.in_atomic_block:
            table = process.current().table
            changed_at = table.changed[table.index(slots.schema(database_of(connection.alias)))]
            schema_for(connection, changed_at)


def _settle(**kwargs: Any) -> None:
    settle_all()
