"""This node's seat on the roster in the database, and a look at all others'."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, IntegrityError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.bus.conf import BusSettings
from nothing_shared.clock import SECOND
from nothing_shared.node import layout
from nothing_shared.node.process import Node

__all__ = ["PATIENCE", "Membership", "Row"]

PATIENCE = 5
"""Leases for which a node may show no life before the others strike it off."""

TABLE = "nothing_shared_bus_member"


@dataclass(frozen=True, slots=True)
class Row:
    """A node as the roster shows it."""

    origin: int
    lease: float
    beat: int
    sequence: int
    is_away: bool


class Membership:
    """The roster as one process has it, on a connection of its own: no transaction of the site's,
    and nothing that anybody caches, has a part in it."""

    def __init__(self, node: Node, settings: BusSettings) -> None:
        self._node = node
        self._alias = settings.database
        self._namespace = settings.namespace
        self._origin = f"{node.table.id:x}"
        self._connection: BaseDatabaseWrapper | None = None
        self._lock = threading.Lock()

    def refresh(self) -> bool:
        """Show life; False if this node was not on the roster, as a new one, or struck off.

        Raises DatabaseError if the database can't be reached.
        """
        words, began = self._node.table.words, self._node.table.clock()
        values = (words[layout.SEQUENCE], self._namespace, self._origin)
        with self._cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET beat = beat + 1, sequence = %s, is_away = %s "
                "WHERE namespace = %s AND origin = %s",
                (values[0], False, *values[1:]),
            )
            was_seated = bool(cursor.rowcount)
            if not was_seated:
                self._sit_down(cursor, words[layout.SEQUENCE])
        # The others count from when they first saw this beat, which was later.
        patience = PATIENCE * self._node.lease * 4 // 5
        words[layout.MEMBER_UNTIL] = max(words[layout.MEMBER_UNTIL], began + patience)
        return was_seated

    def _sit_down(self, cursor: Any, sequence: int) -> None:
        lease = self._node.lease / SECOND
        try:
            cursor.execute(
                f"INSERT INTO {TABLE} (namespace, origin, name, lease, beat, sequence, is_away) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (self._namespace, self._origin, self._node.name[:255], lease, 0, sequence, False),
            )
        except IntegrityError:  # another process of this node was quicker
            return

    def look(self) -> list[Row]:
        """Return all rows of this bus."""
        with self._cursor() as cursor:
            cursor.execute(
                f"SELECT origin, lease, beat, sequence, is_away FROM {TABLE} WHERE namespace = %s",
                (self._namespace,),
            )
            return [
                Row(int(origin, 16), lease, beat, sequence, bool(is_away))
                for origin, lease, beat, sequence, is_away in cursor.fetchall()
            ]

    def strike_off(self, row: Row) -> None:
        """Remove a node that shows no life, unless it just has."""
        with self._cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {TABLE} WHERE namespace = %s AND origin = %s AND beat = %s",
                (self._namespace, f"{row.origin:x}", row.beat),
            )

    def leave(self) -> None:
        """Say that this node is not to be waited for: it has sent all that it will."""
        with self._cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET is_away = %s, sequence = %s, beat = beat + 1 "
                "WHERE namespace = %s AND origin = %s",
                (True, self._node.table.words[layout.SEQUENCE], self._namespace, self._origin),
            )
        self._node.table.words[layout.MEMBER_UNTIL] = 0

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                with self._connection.cursor() as cursor:
                    yield cursor
            except DatabaseError:
                self._close()
                raise

    def _connect(self) -> BaseDatabaseWrapper:
        connection = connections.create_connection(self._alias)
        connection.inc_thread_sharing()
        connection.ensure_connection()
        connection.execute_wrappers.clear()  # nothing here is a read or a change of the site's
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.connection is not None:
            connection.connection.close()  # Django's own refuses where a loop runs in the thread

    def close(self) -> None:
        with self._lock:
            self._close()
