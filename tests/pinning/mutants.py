"""The product with one rule left out: what a test is worth shows in whether it notices.

``with planted("a name of MUTANTS"):`` leaves it out in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from nothing_shared.causality import floors, middleware, observer, positions as causal
from nothing_shared.node import positions as node_positions
from nothing_shared.node.positions import Position, Positions
from nothing_shared.pinning import fleet, replica
from nothing_shared.pinning.mixin import PinningMixin
from nothing_shared.pinning.positions import postgresql

__all__ = ["MUTANTS", "planted"]

Plant = Callable[[ExitStack], None]


def position_before_the_commit(stack: ExitStack) -> None:
    """Take the position when a write is about to be sent."""
    write, read = observer.Observer._write, PinningMixin.read_position

    def early(self: Any, touched: Any, written: Any, connection: Any, execute: Any) -> Any:
        if causal.has_positions(connection):
            connection.ensure_connection()
            idle = connection.connection.info.transaction_status == 0
            if idle or getattr(connection, "mutant", None) is None:
                connection.mutant = connection.positions.of_primary(connection.connection)
        return write(self, touched, written, connection, execute)

    def stale(self: Any) -> Position:
        found: Position | None = getattr(self, "mutant", None)
        return found or read(self)

    stack.enter_context(patch.object(observer.Observer, "_write", early))
    stack.enter_context(patch.object(PinningMixin, "read_position", stale))


class ByAddress(dict[Any, Any]):
    """Remembers by port what is to be remembered by connection."""

    def get(self, raw: Any, default: Any = None) -> Any:
        return super().get(raw.info.port, default) if raw is not None else default

    def __setitem__(self, raw: Any, position: Any) -> None:
        known = super().get(raw.info.port)
        super().__setitem__(raw.info.port, position if known is None else max(known, position))


def replayed_by_address(stack: ExitStack) -> None:
    stack.enter_context(patch.object(replica, "_replayed", ByAddress()))


def positions_without_timeline(stack: ExitStack) -> None:
    """Compare how far it is, whatever the history."""

    def later(one: Position, other: Position) -> Position:
        return max(one, other, key=lambda position: position.lsn)

    def are_reached(self: Any, history: int, lsn: int, cells: Any) -> bool:
        return all(self._words[at + 1] <= lsn or not self._words[at] for at in cells)

    def has_reached(self: Any, floor: Position) -> bool:
        return self.history != 0 and self.lsn >= floor.lsn

    for module in (node_positions, floors, fleet):
        stack.enter_context(patch.object(module, "later", later))
    stack.enter_context(patch.object(Positions, "are_reached", are_reached))
    stack.enter_context(patch.object(replica.Replica, "has_reached", has_reached))
    stack.enter_context(patch.object(fleet.Fleet, "_is_overtaken", lambda self, floor: False))
    stack.enter_context(patch.object(fleet.Fleet, "refuse_stale", lambda self, own: None))


def one_cookie(stack: ExitStack) -> None:
    """Let the last response win."""
    read = middleware._Received._read

    def forgetful(self: Any, request: Any) -> None:
        read(self, request)
        self._names = []

    same = SimpleNamespace(token_hex=lambda size: "0" * size)
    stack.enter_context(patch.object(middleware, "secrets", same))
    stack.enter_context(patch.object(middleware._Received, "_read", forgetful))


def no_floor_of_the_node(stack: ExitStack) -> None:
    """Let tickets alone decide, and keep what is read from whatever replica."""
    stack.enter_context(patch.object(fleet.Fleet, "_node_counts", False))
    stack.enter_context(patch.object(fleet.Fleet, "_judge_fills", lambda *given: None))


def no_doubt_after_a_gap(stack: ExitStack) -> None:
    stack.enter_context(patch.object(Positions, "doubt_everything", lambda self: None))


def tickets_without_positions(stack: ExitStack) -> None:
    stack.enter_context(patch.object(floors.Floors, "reached", lambda self: ()))


def flushed_instead_of_inserted(stack: ExitStack) -> None:
    flushed = postgresql.INSERTED.replace("pg_current_wal_insert_lsn", "pg_current_wal_flush_lsn")
    stack.enter_context(patch.object(postgresql, "INSERTED", flushed))


def page_headers_counted(stack: ExitStack) -> None:
    stack.enter_context(patch.object(postgresql, "end_of_record", lambda lsn, *sizes: lsn))


MUTANTS: dict[str, Plant] = {
    "position before the commit": position_before_the_commit,
    "replayed by address": replayed_by_address,
    "positions without timeline": positions_without_timeline,
    "one cookie": one_cookie,
    "no floor of the node": no_floor_of_the_node,
    "no doubt after a gap": no_doubt_after_a_gap,
    "tickets without positions": tickets_without_positions,
    "flushed instead of inserted": flushed_instead_of_inserted,
    "page headers counted": page_headers_counted,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        MUTANTS[name](stack)
        yield
