"""How far a database has got after a write, where its engine can say."""

from __future__ import annotations

from typing import Protocol, cast

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.conf import causality_settings
from nothing_shared.causality.identity import database_of
from nothing_shared.causality.transactions import is_idle
from nothing_shared.node import slots
from nothing_shared.node.positions import UNKNOWN, Position, Reached

__all__ = ["HasPosition", "has_positions", "position_after", "unknown"]


class HasPosition(Protocol):
    """What a connection with replicas adds to Django's: it knows how far its primary has got."""

    def read_position(self) -> Position:
        """Return a position that all commits acknowledged by now are behind; UNKNOWN if that fails."""


def has_positions(connection: BaseDatabaseWrapper) -> bool:
    """Say whether somebody may read this database from replicas, through this alias or another."""
    if getattr(connection, "has_positions", False):
        return True
    if connection.alias not in causality_settings().same_database:
        return False
    return getattr(connections[database_of(connection.alias)], "has_positions", False)


def position_after(connection: BaseDatabaseWrapper, *, is_certain: bool = True) -> Position | None:
    """Return a position behind which the last commit is; None where the database has none.

    UNKNOWN while a transaction is open, whose commit is yet to come.
    """
    if not has_positions(connection):
        return None
    if not is_certain or connection.in_atomic_block or is_idle(connection) is not True:
        return UNKNOWN
    if not hasattr(connection, "read_position"):
        return UNKNOWN
    return cast("HasPosition", connection).read_position()


def unknown() -> tuple[Reached, ...]:
    """Say of every database with replicas that nobody knows how far it has got."""
    return tuple(
        Reached(slots.database(database_of(connection.alias)), UNKNOWN)
        for connection in connections.all()
        if has_positions(connection)
    )
