"""A transaction that has written and not ended: what it touched, and what becomes of that."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.identity import database_of
from nothing_shared.causality.positions import has_positions, position_after
from nothing_shared.causality.scopes import current
from nothing_shared.causality.sessions import database_slot, session_of
from nothing_shared.causality.transactions import in_transaction, is_idle, is_manual
from nothing_shared.causality.unit import Scope
from nothing_shared.causality.written import Written
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process, slots
from nothing_shared.node.change import Change
from nothing_shared.node.intents import Intent
from nothing_shared.node.positions import UNKNOWN, Position, Reached

__all__ = [
    "Pending",
    "announce",
    "leave_open",
    "open_transactions",
    "pending_of",
    "settle",
    "settle_all",
    "settle_unit",
    "touch",
]


class Pending:
    """Everything one transaction wrote, announced when it commits.

    Its marker stands in ``connection.run_on_commit``: first, so that no other hook's exception
    keeps it from running, and with no savepoint to its name, so that no rolled-back savepoint takes
    it along. ``transaction.on_commit`` promises neither, hence the use of a private list.
    """

    def __init__(self, connection: BaseDatabaseWrapper, written: Written) -> None:
        self.node = process.current()
        self.connection = weakref.ref(connection)
        self.written = written
        self.slots: set[int] = set()
        self.touched: set[int] = {slots.ANY}
        """The same as places in the change table."""
        self.after_commit: list[Callable[[], None]] = []
        self.attachments: dict[str, Any] = {}
        """What upper floors keep until the transaction ends."""
        self._intent = self.node.intents.claim()
        self._session, self._database = session_of(connection), database_slot(connection)
        self._raw = connection.connection
        self._has_positions = has_positions(connection)
        self._is_over = False
        self._scopes: list[Scope] = []
        hooks: list[Any] = connection.run_on_commit
        hooks.insert(0, (set(), self._committed, True))

    def add(self, touched: Iterable[int], *, intended: Iterable[int] = ()) -> None:
        """Note slots that the next statement touches; ``intended`` may say more, never less."""
        new = list(touched)
        self.slots.update(new)
        self.touched.update(self.node.table.indexes((*new, *intended)))
        if self._intent is not None:
            self._intent.note((*new, *intended), session=self._session, database=self._database)
        scope = current()
        if all(pending is not self for pending in scope.pending):
            scope.pending.append(self)
            scope.careful = True
            self._scopes.append(scope)

    def is_open(self, connection: BaseDatabaseWrapper) -> bool:
        """Say whether the transaction may still commit as its block ends."""
        return not self._is_over and connection.in_atomic_block and self._is_marked(connection)

    def is_alive(self) -> bool:
        """Say whether it is open, whichever thread its connection belongs to."""
        connection = self.connection()
        return connection is not None and self.is_open(connection)

    def _is_marked(self, connection: BaseDatabaseWrapper) -> bool:
        hooks = connection.run_on_commit
        return any(hook[1] == self._committed for hook in hooks)

    def end_unheard(self, connection: BaseDatabaseWrapper) -> None:
        """Settle a transaction whose marker has not fired.

        If it has gone, on the same living connection, that was a rollback. If not, an exception came
        between COMMIT and the hooks. If the connection has gone, a COMMIT may be on its way, and what
        is not known to be rolled back counts as committed until its session ends.
        """
        if self._is_over:
            return
        if self._raw is None or connection.connection is not self._raw:
            self._end(self._change(None), is_certain=False)
        elif self._is_marked(connection):
            self._committed()
        else:
            self._end(Change(()))

    def __del__(self) -> None:
        """Count as committed if the thread ended before anybody settled it."""
        if not getattr(self, "_is_over", True):
            self.node.commit(self._change(None), self._intent)

    def _committed(self) -> None:
        if self._is_over:
            return
        self._end(self._change(self.connection()))
        for callback in self.after_commit:
            callback()

    def _change(self, connection: BaseDatabaseWrapper | None) -> Change:
        """Make the change, with the position that the primary is at now; unknown without a connection."""
        if not self._has_positions or not self.written.is_anything:
            return Change.of(self.slots)
        position = UNKNOWN if connection is None else position_after(connection)
        return Change.of(self.slots, self.written.reached(position))

    @property
    def position_unknown(self) -> Position | None:
        """What is known of its position while it is open; None where its database has none."""
        return UNKNOWN if self._has_positions else None

    def leave_to_parent(self) -> None:
        """Call in a forked child: it has neither committed nor rolled back."""
        self._is_over = True
        for scope in self._scopes:
            scope.pending.clear()

    def _end(self, change: Change, *, is_certain: bool = True) -> None:
        self._is_over = True
        for scope in self._scopes:
            scope.pending[:] = [pending for pending in scope.pending if pending is not self]
            if not change and self.slots:
                scope.spoil(self.touched)
        announce(self.node, change, self._intent, is_certain=is_certain)


class Unended:
    """Writes of manual transaction mode: already announced, and announced again once it is over."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._node = process.current()
        self._raw = connection.connection
        self._session, self._database = session_of(connection), database_slot(connection)
        self._slots: set[int] = set()
        self._reached: set[Reached] = set()
        self._intent: Intent | None = None

    def add(self, change: Change, intent: Intent | None) -> None:
        """Take over a statement's intent: the COMMIT is yet to come."""
        new = set(change.slots)
        self._reached.update(change.positions)
        self._slots.update(new)
        if self._intent is None:
            self._intent = intent
        elif intent is not None:
            self._intent.note(new, session=self._session, database=self._database)
            self._node.intents.give_back(intent)

    def is_open(self, connection: BaseDatabaseWrapper) -> bool:
        return self._is_there(connection) and not is_idle(connection) and is_manual(connection)

    def _is_there(self, connection: BaseDatabaseWrapper) -> bool:
        return connection.connection is self._raw

    def end_unheard(self, connection: BaseDatabaseWrapper) -> None:
        is_certain = self._is_there(connection)
        position = position_after(connection, is_certain=is_certain)
        reached = [r._replace(position=position) for r in self._reached if position is not None]
        change = Change.of(self._slots, tuple(reached))
        announce(self._node, change, self._intent, is_certain=is_certain)


_unended: weakref.WeakKeyDictionary[BaseDatabaseWrapper, Unended] = weakref.WeakKeyDictionary()
_pending: weakref.WeakKeyDictionary[BaseDatabaseWrapper, Pending] = weakref.WeakKeyDictionary()


def _forget_in_child() -> None:
    """Leave the transactions that were open at a fork to the parent."""
    for pending in _pending.values():
        pending.leave_to_parent()
    _pending.clear()
    _unended.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def pending_of(connection: BaseDatabaseWrapper, written: Written) -> Pending:
    """Return the open transaction's record, made at its first write with an empty ``written``."""
    settle(connection)
    pending = _pending.get(connection)
    if pending is None:
        pending = _pending[connection] = Pending(connection, written)
    return pending


def settle(connection: BaseDatabaseWrapper) -> None:
    """Find out what became of this connection's last transaction that wrote."""
    pending = _pending.get(connection)
    if pending is not None and not pending.is_open(connection):
        del _pending[connection]
        pending.end_unheard(connection)
    manual = _unended.get(connection)
    if manual is not None and not manual.is_open(connection):
        del _unended[connection]
        manual.end_unheard(connection)


def leave_open(connection: BaseDatabaseWrapper, change: Change, intent: Intent | None) -> None:
    """Keep what was written in manual mode, where no hook tells of the COMMIT."""
    if connection not in _unended:
        _unended[connection] = Unended(connection)
    _unended[connection].add(change, intent)


def settle_all() -> None:
    """Settle the connections of this thread: at the end of a request."""
    for connection in connections.all(initialized_only=True):
        settle(connection)


def settle_unit(unit: Scope) -> None:
    """Settle the transactions of a unit of work, whichever thread they were in."""
    for pending in tuple(unit.pending):
        connection = pending.connection()
        if connection is not None:
            settle(connection)


def open_transactions() -> list[Pending]:
    """Return the records of all transactions open in this thread, made now if need be."""
    return [
        pending_of(connection, Written(database_of(connection.alias)))
        for connection in connections.all(initialized_only=True)
        if in_transaction(connection)
    ]


def touch(touched: Iterable[int], *, is_key: bool = False) -> int:
    """Change slots now, and once more when the open transactions commit; return when it was now.

    Now, so that this unit of work sees it; then, so that no fill from before the commit outlives it.
    ``is_key`` is as for :func:`announce`.
    """
    change = Change.of(touched)
    for pending in open_transactions():
        pending.add(change.slots)
    node = process.current()
    return announce(node, change, node.intend(change.slots), is_key=is_key)


def announce(
    node: process.Node,
    change: Change,
    intent: Intent | None,
    *,
    is_certain: bool = True,
    is_key: bool = False,
) -> int:
    """Take in and send a change of this scope's, and return when; 0 if the agent has to do it.

    Where it is not certain that the database is done with it, the agent repeats it until it is.
    With ``is_key``, nothing that this scope holds is older for it: it is of a cached key alone.
    """
    unit, when = current(), 0
    if change:
        unit.changed(change, is_key=is_key)
        try:
            with unit.knowing(node.table) if is_key else nullcontext() as known:
                when = node.apply(change, known=known)
        except LockTimeout:
            pass
    if not is_certain and intent is not None:
        intent.hand_over(is_over=False)
        intent = None
    if not node.commit(change, intent):
        unit.refuse_cached()
    return when
