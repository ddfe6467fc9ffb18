"""Since when what a connection shows is true: its transaction may have begun long before a statement."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.transactions import in_transaction, is_idle, is_manual

__all__ = ["Snapshot"]


class Snapshot:
    """The snapshot of one connection, known from its statements.

    A transaction may show what was true at its first statement.
    """

    def __init__(self) -> None:
        self._begun = 0

    def since(self, connection: BaseDatabaseWrapper, now: int) -> int:
        """Return the time from which on changes may be missing in what the next statement shows."""
        counts = in_transaction(connection) or is_manual(connection)
        if not counts or is_idle(connection) is not False:
            self._begun = now
        return self._begun
