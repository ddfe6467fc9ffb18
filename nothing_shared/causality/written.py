"""What a transaction has written, as slots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from nothing_shared.causality.touched import Touched
from nothing_shared.node import slots

__all__ = ["MAX_ROWS", "Written"]

MAX_ROWS = 16
"""Past so many rows of a table, a transaction has written unknown rows of it."""


class Written:
    """Turns each statement's writes into slots, coarser as rows become many; never into fewer."""

    def __init__(self, database: str, *, changes_schema: bool = False) -> None:
        self.changes_schema = changes_schema
        self._database = database
        self._keys: defaultdict[str, set[str]] = defaultdict(set)

    def before(self, touched: Touched) -> set[int]:
        """Return what a statement may write, before it is sent."""
        return {*self.certain(touched), *self._at_large(touched.inserts)}

    def certain(self, touched: Touched) -> set[int]:
        """Return what a statement writes besides a row whose key the database makes."""
        found = {slots.EPOCH} if touched.writes_unknown else set()
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
            yield slots.table(self._database, table)
            yield slots.rows(self._database, table)

    def _rows(self, table: str, keys: Iterable[str]) -> Iterator[int]:
        known = self._keys[table]
        if len(known) <= MAX_ROWS:
            known.update(keys)
        if len(known) > MAX_ROWS:
            yield from self._at_large(table)
            return
        yield slots.table(self._database, table)
        yield from (slots.row(self._database, table, key) for key in keys)
