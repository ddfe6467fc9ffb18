"""What only a particular database engine can tell of a statement or a session."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.identity import database_of
from nothing_shared.causality.schema import schema_for
from nothing_shared.clock import SECOND
from nothing_shared.node import slots
from nothing_shared.node.intents import Overdue

__all__ = ["database_slot", "inserted_key", "is_lost", "may_still_commit", "session_of"]

ENDS_WITH_ITS_CLIENT, UNKNOWN = 0, 1
LONGEST_COMMIT = 60 * SECOND
"""How long a COMMIT of a dead client may take where the engine can't be asked for its session."""


def session_of(connection: BaseDatabaseWrapper) -> int:
    """Return a number by which the server's session can be found when this process is dead."""
    if connection.vendor == "sqlite":
        return ENDS_WITH_ITS_CLIENT
    if connection.vendor == "postgresql" and connection.connection is not None:
        return int(connection.connection.info.backend_pid)
    return UNKNOWN


def database_slot(connection: BaseDatabaseWrapper) -> int:
    """Return a number by which an intent names its database."""
    return slots.database(database_of(connection.alias))


def is_lost(connection: BaseDatabaseWrapper, failure: BaseException) -> bool:
    """Say whether the server may go on with a statement of which the client has only this error."""
    if connection.vendor == "sqlite":
        return False
    if connection.vendor == "postgresql":
        return connection.connection is None or bool(connection.connection.closed)
    return isinstance(failure, (InterfaceError, OperationalError))


def may_still_commit(overdue: Overdue) -> bool:
    """Say whether a dead writer's session may yet commit; True if that can't be found out."""
    if overdue.session == ENDS_WITH_ITS_CLIENT:
        return False
    if overdue.session == UNKNOWN:
        return overdue.age < LONGEST_COMMIT
    for alias in connections:
        if database_slot(connections[alias]) == overdue.database:
            return _has_session(connections[alias], overdue.session)
    return False


def _has_session(connection: BaseDatabaseWrapper, pid: int) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = %s", [pid])
            return cursor.fetchone() is not None
    except Exception:
        return True
    finally:
        connection.close()


def inserted_key(connection: BaseDatabaseWrapper, cursor: Any, table: str) -> str | None:
    """Return the key that the database gave to the one row just inserted, None if it won't say."""
    info = schema_for(connection).tables.get(table)
    if info is None or info.pk is None:
        return None
    if connection.vendor == "sqlite" and info.kind == "int":
        key = getattr(cursor, "lastrowid", None)
        return str(key) if isinstance(key, int) and key > 0 else None
    if connection.vendor == "postgresql":
        return _returned_key(getattr(cursor, "pgresult", None), info.pk, info.kind)
    return None


def _returned_key(result: Any, column: str, kind: str | None) -> str | None:
    if result is None or result.ntuples != 1:
        return None
    for number in range(result.nfields):
        if result.fname(number) == column.encode() and not result.fformat(number):
            text = result.get_value(0, number).decode()
            return UUID(text).hex if kind == "uuid" else text
    return None
