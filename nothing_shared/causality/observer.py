"""Hear every statement of a connection, through Django's own ``execute_wrapper``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper

from nothing_shared.causality import pending, scopes, sessions
from nothing_shared.causality.conf import causality_settings
from nothing_shared.causality.footprint import Touched, analyse, bind
from nothing_shared.causality.identity import database_of
from nothing_shared.causality.positions import position_after
from nothing_shared.causality.schema import forget, schema_for
from nothing_shared.causality.snapshots import Snapshot
from nothing_shared.causality.transactions import in_transaction, is_manual
from nothing_shared.causality.written import Written
from nothing_shared.clock import boottime_ns
from nothing_shared.node import process, slots
from nothing_shared.node.change import Change

__all__ = ["HEARD", "Observer", "observe"]

HEARD = "nothing_shared.heard"
"""Where the context of a statement says what was understood of it: its text, its footprint."""


class Observer:
    """Notes what is read in the scope, and what is written in an intent before it is sent."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._database = database_of(connection.alias)
        self._snapshot = Snapshot()

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        connection = context["connection"]
        pending.settle(connection)
        unit = scopes.current()
        # The node is joined before the first read: what is read by a deaf one could not be judged.
        table = process.current().table
        # Whatever the statement is: the first of a transaction may fix what all the others see.
        unit.begin(self._snapshot.since(connection, boottime_ns()))
        changed_at = table.changed[table.index(slots.schema(self._database))]
        footprint = analyse(sql, schema_for(connection, changed_at))
        # For a cursor that chooses a server: this is what it has to go by, if the text is the same.
        context[HEARD] = (sql, footprint)
        if footprint.controls:
            return execute(sql, params, many, context)
        touched = bind(footprint, params, many)
        self._note_reads(touched, connection)
        if not touched.is_write:
            self._snapshot.note_query(connection, context["cursor"])
            return execute(sql, params, many, context)
        written = Written(self._database, changes_schema=footprint.changes_schema)
        try:
            return self._write(
                touched, written, connection, lambda: execute(sql, params, many, context)
            )
        finally:
            if footprint.changes_schema:
                forget()

    def _note_reads(self, touched: Touched, connection: BaseDatabaseWrapper) -> None:
        unit = scopes.current()
        if touched.is_read:
            ignored = causality_settings().unobserved_tables
            for table in touched.reads:
                if table not in ignored:
                    unit.read_table(self._database, table)
            for table, keys in touched.read_rows.items():
                if table not in ignored:
                    unit.read_rows(self._database, table, keys)
            if touched.reads_unknown:
                unit.read_anything()
        if is_manual(connection):
            # Manual mode: a snapshot of unknown age, and nobody says when it ends.
            unit.may_fill = False
            unit.refuse_cached()

    def _write(
        self,
        touched: Touched,
        written: Written,
        connection: BaseDatabaseWrapper,
        execute: Callable[[], Any],
    ) -> Any:
        scopes.current().reader.wrote.add(self._database)
        if in_transaction(connection):
            return self._write_in_transaction(touched, written, connection, execute)
        return self._write_at_once(touched, written, connection, execute)

    def _write_in_transaction(
        self,
        touched: Touched,
        statement: Written,
        connection: BaseDatabaseWrapper,
        execute: Callable[[], Any],
    ) -> Any:
        unit = scopes.current()
        unit.writes += 1
        unit.may_replace = True
        transaction = pending.pending_of(connection, statement)
        add, written = transaction.add, transaction.written
        written.changes_schema |= statement.changes_schema
        add(written.certain(touched), intended=written.before(touched))
        if touched.inserts is None:
            return execute()
        key = None
        try:
            result = execute()
            key = sessions.inserted_key(connection, result, touched.inserts)
            return result
        finally:
            add(written.after(touched, key))

    def _write_at_once(
        self,
        touched: Touched,
        written: Written,
        connection: BaseDatabaseWrapper,
        execute: Callable[[], Any],
    ) -> Any:
        """Announce whatever becomes of the statement: rows of a failed ``executemany`` may stand."""
        node, key = process.current(), None
        intent = node.intend(
            written.before(touched),
            session=sessions.session_of(connection),
            database=sessions.database_slot(connection),
        )
        is_certain = True
        try:
            result = execute()
            if touched.inserts is not None:
                key = sessions.inserted_key(connection, result, touched.inserts)
            return result
        except BaseException as failure:
            is_certain = not sessions.is_lost(connection, failure)
            raise
        finally:
            changed = written.after(touched, key)
            position = position_after(connection, is_certain=is_certain)
            change = Change.of(changed, written.reached(position))
            if not is_manual(connection):
                pending.announce(node, change, intent, is_certain=is_certain)
            else:
                # Manual mode: the COMMIT is yet to come, unseen. The intent is left to the agent,
                # which repeats it while this thread has not settled.
                pending.announce(node, change, None)
                pending.leave_open(connection, change, intent)


def observe(connection: BaseDatabaseWrapper) -> bool:
    """Put an observer outside all wrappers of a connection, and say if one is there; idempotent.

    One that no alias leads to is a part of another, which is observed.
    """
    if connection.alias not in (*connections, NO_DB_ALIAS):
        return False
    wrappers = connection.execute_wrappers
    if not any(isinstance(wrapper, Observer) for wrapper in wrappers):
        wrappers.insert(0, Observer(connection))
    return True
