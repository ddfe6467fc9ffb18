"""Since when what a connection shows is true: its transaction may have begun long before a statement."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.transactions import in_transaction, is_idle, is_manual

__all__ = ["Snapshot"]


class Snapshot:
    """The snapshot of one connection, known from its statements.

    A transaction may show what was true at its first statement. So may SQLite while any query has
    rows left to read, and nothing says so: each cursor counts for as long as somebody holds it.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._cursors: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def since(self, connection: BaseDatabaseWrapper, now: int) -> int:
        """Return the time from which on changes may be missing in what the next statement shows."""
        counts = in_transaction(connection) or is_manual(connection)
        if not counts or is_idle(connection) is not False:
            self._begun = min([now, *self._cursors.values()])
        return self._begun

    def note_query(self, connection: BaseDatabaseWrapper, cursor: Any) -> None:
        """Note a query that may not have been read to its end."""
        if connection.vendor == "sqlite":
            self._cursors[cursor.cursor] = self._begun
