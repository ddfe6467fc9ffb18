"""What a database consists of, as far as footprints need to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nothing_shared.causality.memo import Memo

__all__ = ["Kind", "Reach", "Schema", "TableInfo"]

Kind = Literal["int", "uuid"]

Reach = frozenset[str] | None
"""Names of tables; None is anything at all."""

NOTHING: Reach = frozenset()

MEMO_SIZE = 4_000_000
"""Characters of SQL whose footprints a schema remembers."""


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table's primary key, where one column of a ``kind`` that can pin rows; else None.

    ``is_auto`` says that the database makes the key of a row that comes without.
    """

    pk: str | None = None
    kind: Kind | None = None
    is_auto: bool = False

    def merged(self, other: TableInfo) -> TableInfo:
        """Return what holds for both of two tables of one name."""
        return self if self == other else TableInfo()


@dataclass(frozen=True, eq=False)
class Schema:
    """Everything that a statement can reach without naming it. Names are bare and folded.

    Compared by identity: a changed database is a new schema.
    """

    vendor: str
    tables: Mapping[str, TableInfo] = field(default_factory=dict)
    views: Mapping[str, Reach] = field(default_factory=dict)
    """What reading a name reads besides: of views, of tables with row policies, of partitions."""
    triggers: Mapping[str, Reach] = field(default_factory=dict)
    """What writing a table writes besides: through triggers, ON UPDATE, and to parents of partitions."""
    cascades: Mapping[str, Reach] = field(default_factory=dict)
    """What deleting rows of a table changes besides, in the database itself."""
    functions: frozenset[str] | None = frozenset()
    """Functions known to be harmless; None: all are."""
    readers: frozenset[str] = frozenset()
    """Functions that write nothing, and read nobody knows what."""
    acting: frozenset[str] = frozenset()
    """Functions, and views that call them, that may do anything."""
    is_complete: bool = False
    """Whether the database itself was asked. If not, any table may have triggers, any name be a view."""
    asked_at: int = 0
    """When it was asked, in nanoseconds since boot."""
    memo: Memo[Any] = field(default_factory=lambda: Memo(limit=MEMO_SIZE), init=False, repr=False)
    """Footprints by text: they hold as long as this schema does."""
    known: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = frozenset((*self.tables, *self.views, *self.readers, *self.acting))
        object.__setattr__(self, "known", names)

    def is_relation(self, name: str) -> bool:
        return name in self.tables or name in self.views

    def read_through(self, name: str) -> Reach:
        """Return what reading a table or view reads, itself included."""
        return closure([name], self._read_next)

    def also_written(self, name: str, *, deleting: bool) -> Reach:
        """Return what writing a table or view writes besides the rows that the statement means."""
        reached = self._written_next((name, deleting)) if self.is_relation(name) else None
        written = None if reached is None else closure(list(reached), self._written_next)
        return None if written is None else frozenset(name for name, _ in written)

    def _read_next(self, name: str) -> Iterable[str] | None:
        return self.views.get(name, NOTHING) if self.is_relation(name) else None

    def _written_next(self, written: tuple[str, bool]) -> Iterable[tuple[str, bool]] | None:
        name, deleting = written
        triggered = self.triggers.get(name, NOTHING if self.is_complete else None)
        cascading = self.cascades.get(name, NOTHING) if deleting else NOTHING
        shown = NOTHING if name in self.tables else self.views.get(name)
        if triggered is None or cascading is None or shown is None:
            return None
        # A trigger may delete, and so may a foreign key.
        reached = [(table, True) for table in triggered | cascading]
        return [*reached, *((table, deleting) for table in shown)]


def closure(
    start: list[Any], next_of: Callable[[Any], Iterable[Any] | None]
) -> frozenset[Any] | None:
    """Return all that is reached from ``start``, which is included; None if a step says None."""
    seen: set[Any] = set()
    while start:
        item = start.pop()
        if item in seen:
            continue
        seen.add(item)
        reached = next_of(item)
        if reached is None:
            return None
        start.extend(reached)
    return frozenset(seen)
