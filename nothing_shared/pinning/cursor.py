"""Cursors that choose their server at execution, inside all wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db.backends.postgresql.base import CursorDebugWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import Error, InterfaceError

from nothing_shared.causality.footprint import Footprint, analyse
from nothing_shared.causality.observer import HEARD
from nothing_shared.causality.schema import schema_for
from nothing_shared.pinning import serving
from nothing_shared.pinning.failures import Verdict, judge

if TYPE_CHECKING:
    from nothing_shared.pinning.mixin import PinningMixin
    from nothing_shared.pinning.replica import Replica

__all__ = ["ChoosingCursor", "ChoosingDebugCursor"]

QUERIES = ("SELECT", "WITH", "(SELECT")


class Choosing:
    """A cursor of the primary's, unless a statement may be answered by a replica.

    ``cursor`` is the driver's: the one that the last statement ran on; before the first, one of the
    primary, to which this connects only if somebody asks.
    """

    db: PinningMixin

    def __init__(self, db: PinningMixin, name: str | None = None) -> None:
        self.db = db
        self._name = name
        self._bound: Any = None
        self._replica: Replica | None = None
        self._is_closed = False

    @property
    def cursor(self) -> Any:
        return self._bound if self._bound is not None else self._bind()

    @property
    def closed(self) -> bool:
        return self._is_closed or (self._bound is not None and self._bound.closed)

    def _bind(self) -> Any:
        """Use the primary."""
        if self._is_closed:
            raise InterfaceError("the cursor is closed")
        if self._bound is None or self._replica is not None:
            self._release()
            self._bound, self._replica = self.db.primary_cursor(self._name), None
        return self._bound

    def _release(self) -> None:
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.close()

    def close(self) -> None:
        """Close it; the driver's stays at hand for those who ask what it did."""
        self._is_closed = True
        if self._bound is not None:
            self._bound.close()

    # Statements -------------------------------------------------------------------------------

    def _execute_with_wrappers(self, sql: Any, params: Any, many: bool, executor: Any) -> Any:
        if many or type(sql) is not str or not sql[:8].upper().startswith(QUERIES):
            self._bind()  # connected, it can tell its session to whoever notes what is written
        return super()._execute_with_wrappers(sql, params, many, executor)  # type: ignore[misc]

    def _execute(self, sql: Any, params: Any, *rest: Any) -> Any:
        if self._is_closed:
            raise InterfaceError("the cursor is closed")
        footprint = self._footprint(sql, rest)
        replica = self.db.replica_for(footprint)
        if replica is not None:
            return self._ask(replica, footprint, sql, params, rest)
        return self._ask_primary(footprint, sql, params, rest)

    def _executemany(self, sql: Any, param_list: Any, *rest: Any) -> Any:
        self.db.note_session(self._footprint(sql, rest), sql)
        self._bind()
        return super()._executemany(sql, param_list, *rest)  # type: ignore[misc]

    def _ask_primary(self, footprint: Footprint, sql: Any, params: Any, rest: Any) -> Any:
        """Ask the primary; while it can't be reached, a replica that shows what the client wrote."""
        self.db.note_session(footprint, sql)
        try:
            self._bind()
        except Error:
            replica = self.db.stand_in_for(footprint)
            if replica is None:
                raise
            return self._ask_replica(replica, sql, params)
        serving.note(self.db.alias)
        return super()._execute(sql, params, *rest)  # type: ignore[misc]

    def _ask(self, replica: Replica, footprint: Footprint, sql: Any, params: Any, rest: Any) -> Any:
        """Ask a replica and, if that is to blame for a failure, the next one, and at last the primary.

        A connection that was lost while nobody used it is made anew, once.
        """
        renewed: list[Replica] = []
        given_up: list[Replica] = []
        asked: Replica | None = replica
        verdict = Verdict.ANOTHER
        while asked is not None and verdict is Verdict.ANOTHER:
            try:
                return self._ask_replica(asked, sql, params)
            except Error as failure:
                verdict = judge(failure, is_connected=asked.is_connected)
                if verdict is Verdict.NOBODY:
                    raise
                if asked.is_connected or asked in renewed:
                    given_up.append(asked)
                renewed.append(asked)
                asked.drop(is_down=not asked.is_connected and asked in given_up)
            if verdict is Verdict.ANOTHER:
                asked = self.db.replica_for(footprint, without=given_up)
        result = self._ask_primary(footprint, sql, params, rest)
        if verdict is Verdict.WRITES:
            self.db.note_refused()
        return result

    def _ask_replica(self, replica: Replica, sql: Any, params: Any) -> Any:
        with replica.wrapper.wrap_database_errors:
            raw = replica.wrapper.connection
            if self._bound is None or self._bound.connection is not raw or self._name:
                self._release()
                self._bound, self._replica = replica.cursor(self._name), replica
            result = (
                self._bound.execute(sql) if params is None else self._bound.execute(sql, params)
            )
        serving.note(replica.alias)
        return result

    def _footprint(self, sql: Any, rest: Any) -> Footprint:
        """Return what the observer has understood, if no wrapper has changed the text since."""
        heard = rest[-1].get(HEARD) if rest and isinstance(rest[-1], dict) else None
        if heard is not None and heard[0] is sql:
            footprint: Footprint = heard[1]
            return footprint
        return analyse(sql, schema_for(self.db))

    # What passes no wrapper in Django ---------------------------------------------------------

    def callproc(self, procname: Any, params: Any = None, kparams: Any = None) -> Any:
        """Call a function on the primary."""
        call = super().callproc  # type: ignore[misc]
        self._bind()
        name = self.db.ops.quote_name(str(procname))
        statement = f"SELECT * FROM {name}()"
        self.db.note_session(self._footprint(statement, ()), statement)
        return self._heard(statement, None, lambda *_: call(procname, params, kparams))

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Copy to or from the primary."""
        self._bind()
        try:
            with (
                self.db.wrap_database_errors,
                self._bound.copy(statement, params, **options) as copy,
            ):
                self._heard(statement, params, lambda *_: None)
                yield copy
        finally:
            self._heard(statement, params, lambda *_: None)

    def stream(self, query: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        """Stream from the primary."""
        self._bind()
        self._heard(query, params, lambda *_: None)
        try:
            with self.db.wrap_database_errors:
                yield from self._bound.stream(query, params, **options)
        finally:
            self._heard(query, params, lambda *_: None)

    def _heard(self, sql: Any, params: Any, executor: Any) -> Any:
        """Let all wrappers hear of what is done besides them."""
        return super()._execute_with_wrappers(sql, params, False, executor)  # type: ignore[misc]


class ChoosingCursor(Choosing, CursorWrapper):
    pass


class ChoosingDebugCursor(Choosing, CursorDebugWrapper):
    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[Any]:
        with self.debug_sql(statement), super().copy(statement, params, **options) as copy:
            yield copy
