"""Since when what a connection shows is true: its transaction may have begun long before a statement."""

from __future__ import annotations

import weakref
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.transactions import in_transaction, is_idle, is_manual

__all__ = ["Snapshot"]


class Snapshot:
    """The snapshot of one connection, known from its statements.

    A transaction may show what was true at its first statement. SQLite shows, in autocommit too,
    what was true when the oldest of its half-read cursors was executed.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._cursors: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def since(self, connection: BaseDatabaseWrapper, cursor: Any, now: int) -> int:
        """Return the time from which on changes may be missing in what the next statement shows."""
        counts = in_transaction(connection) or is_manual(connection)
        if not counts or is_idle(connection) is not False:
            self._begun = now
        if connection.vendor == "sqlite":
            return min(self._begun, self._since_cursors(cursor, now))
        return self._begun

    def _since_cursors(self, cursor: Any, now: int) -> int:
        """SQLite can't be asked which cursors are half-read; those that are gone aren't."""
        self._cursors.pop(cursor, None)
        oldest = min(self._cursors.values(), default=now)
        self._cursors[cursor] = now
        return oldest
