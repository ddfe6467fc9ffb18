"""What a transaction has written, as slots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from nothing_shared.causality.touched import Touched
from nothing_shared.node import slots
from nothing_shared.node.positions import Position, Reached

__all__ = ["MAX_ROWS", "Written"]

MAX_ROWS = 16
"""Past so many rows of a table, a transaction has written unknown rows of it."""

MAX_TABLES = 32
"""Past so many tables, a transaction has written all of them, as far as replicas are concerned."""


class Written:
    """Turns each statement's writes into slots, coarser as rows become many; never into fewer."""

    def __init__(self, database: str, *, changes_schema: bool = False) -> None:
        self.changes_schema = changes_schema
        self._database = database
        self._keys: defaultdict[str, set[str]] = defaultdict(set)
        self._tables: set[int] = set()
        self._is_everything = False

    @property
    def is_anything(self) -> bool:
        """Whether the database itself was written at all."""
        return bool(self._tables) or self._is_everything

    def reached(self, position: Position | None) -> tuple[Reached, ...]:
        """Say how far the database had got after this; nothing where it has no positions."""
        if position is None or not self.is_anything:
            return ()
        is_whole = self._is_everything or self.changes_schema or len(self._tables) > MAX_TABLES
        tables = () if is_whole else tuple(sorted(self._tables))
        return (Reached(slots.database(self._database), position, tables),)

    def before(self, touched: Touched) -> set[int]:
        """Return what a statement may write, before it is sent."""
        return {*self.certain(touched), *self._at_large(touched.inserts)}

    def certain(self, touched: Touched) -> set[int]:
        """Return what a statement writes besides a row whose key the database makes."""
        found = {slots.EPOCH} if touched.writes_unknown else set()
        self._is_everything |= touched.writes_unknown
        if self.changes_schema:
            found.add(slots.schema(self._database))
        for table in touched.writes:
            found.update(self._at_large(table))
        for table, keys in touched.written_rows.items():
            found.update(self._rows(table, keys))
        return found

    def after(self, touched: Touched, key: str | None) -> set[int]:
        """Return what it has written, the new row's key being known now, or not."""
        if touched.inserts is None or key is None:
            return self.before(touched)
        return {*self.certain(touched), *self._rows(touched.inserts, (key,))}

    def _at_large(self, table: str | None) -> Iterator[int]:
        if table is not None:
            yield self._table(table)
            yield slots.rows(self._database, table)

    def _rows(self, table: str, keys: Iterable[str]) -> Iterator[int]:
        known = self._keys[table]
        if len(known) <= MAX_ROWS:
            known.update(keys)
        if len(known) > MAX_ROWS:
            yield from self._at_large(table)
            return
        yield self._table(table)
        yield from (slots.row(self._database, table, key) for key in keys)

    def _table(self, table: str) -> int:
        found = slots.table(self._database, table)
        self._tables.add(found)
        return found
