"""Messages that wait for a transaction's COMMIT, and go to the server together with it: one flight."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import debug_transaction

from nothing_shared.bus.errors import BusFull

if TYPE_CHECKING:
    from nothing_shared.bus.message import Message

__all__ = ["Waiting", "wait_for_commit"]

AT_ONCE = 100
"""So many messages of one transaction wait; then they are stored, as far as savepoints let them."""
MOST_WAITING = 1000

INSERT = "INSERT INTO nothing_shared_bus_outbox (namespace, topic, packet) VALUES "
ONE = "(%s, %s, %s)"


class Waiting:
    """What Django calls once a message's transaction is committed; it knows whether it was stored.

    A savepoint that is rolled back takes it away, as it takes away all that waits for the commit.
    """

    def __init__(
        self, namespace: str, message: Message, packet: bytes, sent: Callable[[Waiting], None]
    ) -> None:
        self.message = message
        self.row = (namespace, message.topic, packet)
        self.is_stored = False
        self._sent = sent
        self.__qualname__ = (
            f"publish({message.topic!r})"  # as Django's log calls a hook that failed
        )

    def __call__(self) -> None:
        self._sent(self)


class Commit:
    """Stands in the place of a connection's ``_commit``."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = weakref.ref(connection)
        self._before: Callable[[], None] | None = vars(connection).get("_commit")

    def __call__(self) -> None:
        connection = self._connection()
        assert connection is not None
        waiting = [hook for hook in _hooks(connection.run_on_commit) if not hook.is_stored]
        if self._before is not None:
            _store(connection, waiting)
            self._before()
        elif not waiting or connection.connection is None:
            type(connection)._commit(connection)  # type: ignore[attr-defined]
        else:
            with debug_transaction(connection, "COMMIT"):
                _store(connection, waiting, "; COMMIT")


def wait_for_commit(connection: BaseDatabaseWrapper, message: Waiting) -> None:
    """Have a message stored when the transaction that is open commits, after those before it.

    Raises BusFull where too many wait already, and can't be stored in the savepoint that is open.
    """
    waiting = list(islice(_unstored(connection), MOST_WAITING))
    if len(waiting) >= AT_ONCE:
        current = set(connection.savepoint_ids)
        if all(current <= sids for sids, _ in waiting):
            _store(connection, [hook for _, hook in reversed(waiting)])
        elif len(waiting) >= MOST_WAITING:
            raise BusFull(
                f"{MOST_WAITING} messages wait for this transaction's commit already, and the savepoint "
                "that is open may take back what is stored in it"
            )
    if not isinstance(vars(connection).get("_commit"), Commit):
        connection._commit = Commit(connection)  # type: ignore[attr-defined]
    connection.on_commit(message, robust=True)


def _hooks(entries: Iterable[tuple[Any, ...]]) -> Iterator[Waiting]:
    return (hook for _, hook, *_ in entries if isinstance(hook, Waiting))


def _unstored(connection: BaseDatabaseWrapper) -> Iterator[tuple[set[str], Waiting]]:
    """Yield what waits, the last first."""
    for sids, hook, *_ in reversed(connection.run_on_commit):
        if isinstance(hook, Waiting):
            if hook.is_stored:
                return
            yield sids, hook


def _store(connection: BaseDatabaseWrapper, waiting: list[Waiting], more: str = "") -> None:
    """Send the rows past Django's wrappers, since they are no write of the site's."""
    from psycopg import ClientCursor  # takes several statements at once

    if not waiting:
        return
    rows = [hook.row for hook in waiting]
    statement = INSERT + ", ".join([ONE] * len(rows)) + more
    with connection.wrap_database_errors, ClientCursor(connection.connection) as cursor:
        cursor.execute(statement, [value for row in rows for value in row])
    for hook in waiting:
        hook.is_stored = True
