"""What a statement touches: whatever its parameters (a footprint), and with some (what it touched)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nothing_shared.causality.rows import RowPin

__all__ = [
    "ANYTHING",
    "ANY_DATA",
    "BINDING",
    "EVERYTHING",
    "NOTHING",
    "NO_ROWS",
    "REMAKING",
    "Footprint",
    "Touched",
]

NAMES: frozenset[str] = frozenset()
NO_ROWS: Mapping[str, set[str]] = {}


class Touched(NamedTuple):
    """Tables by name, rows by table and canonical key (``str(int)``, ``UUID.hex``).

    A table may stand in ``reads`` (at large) and in ``read_rows`` too; then it was read at large.
    """

    reads: frozenset[str] = frozenset()
    read_rows: Mapping[str, set[str]] = NO_ROWS
    writes: frozenset[str] = frozenset()
    written_rows: Mapping[str, set[str]] = NO_ROWS
    inserts: str | None = None
    """The table of one new row, whose key the database makes; if nobody learns it: a write at large."""
    reads_unknown: bool = False
    writes_unknown: bool = False

    @property
    def is_read(self) -> bool:
        return bool(self.reads or self.read_rows or self.reads_unknown)

    @property
    def is_write(self) -> bool:
        return bool(self.writes or self.written_rows or self.inserts or self.writes_unknown)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a statement reads and writes, whatever its parameters. Tables are bare, folded names."""

    reads: frozenset[str] = NAMES
    """Tables read at large."""
    read_rows: tuple[RowPin, ...] = ()
    """Tables of which only these rows are read."""
    writes: frozenset[str] = NAMES
    """Tables of which unknown rows are written."""
    written_rows: tuple[RowPin, ...] = ()
    inserts: str | None = None
    """The table of a one-row INSERT whose key the database makes."""
    reads_unknown: bool = False
    writes_unknown: bool = False
    controls: bool = False
    """Whether it touches no data at all: it begins, commits or configures."""
    changes_schema: bool = False
    placeholders: int = 0
    is_replicable: bool = False
    """Whether a replica answers it as the primary would, apart from being older."""
    binds_session: bool = False
    """Whether what comes next must stay on the same session, which is not what it was."""
    at_large: Touched = field(init=False, repr=False, compare=False)
    """What it touches if its rows can't be told."""
    is_settled: bool = field(init=False, repr=False, compare=False)
    """Whether it touches the same whatever its parameters, and however many sets of them."""

    def __post_init__(self) -> None:
        reads = self.reads.union(pin.table for pin in self.read_rows)
        writes = self.writes.union(pin.table for pin in self.written_rows)
        touched = Touched(
            reads=reads,
            writes=writes if self.inserts is None else writes | {self.inserts},
            reads_unknown=self.reads_unknown,
            writes_unknown=self.writes_unknown,
        )
        object.__setattr__(self, "at_large", touched)
        has_rows = self.read_rows or self.written_rows or self.inserts
        object.__setattr__(self, "is_settled", not has_rows)


NOTHING = Footprint(controls=True)
BINDING = Footprint(controls=True, binds_session=True)
ANY_DATA = Footprint(reads_unknown=True, writes_unknown=True)
ANYTHING = Footprint(reads_unknown=True, writes_unknown=True, binds_session=True)
REMAKING = Footprint(reads_unknown=True, writes_unknown=True, changes_schema=True)
EVERYTHING = Footprint(
    reads_unknown=True, writes_unknown=True, changes_schema=True, binds_session=True
)
