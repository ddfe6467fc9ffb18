"""Positions: how far the history of a database has got, and which tables changed up to where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from nothing_shared.node import layout

__all__ = ["UNKNOWN", "Cells", "Position", "Positions", "Reached", "history_of", "later"]


class Position(NamedTuple):
    """A place in one history: which database system's, which of its timelines, how far along it.

    ``system`` and ``timeline`` have 32 bits, ``lsn`` has 64. Positions of two systems can't be
    compared; of two timelines of one system the greater is the one that lived on.
    """

    system: int
    timeline: int
    lsn: int


UNKNOWN = Position(2**32 - 1, 2**32 - 1, 2**64 - 1)
"""Beyond all others: only the primary will do, until somebody asks it how far it has got."""


class Reached(NamedTuple):
    """How far a database had got when these tables had changed; all of its tables if none is named."""

    database: int
    position: Position
    tables: tuple[int, ...] = ()


def later(one: Position, other: Position) -> Position:
    """Return the position that has both behind it."""
    return max(one, other) if one.system == other.system else UNKNOWN


def history_of(position: Position) -> int:
    """Return system and timeline as one word."""
    return position.system << 32 | position.timeline


Cells = tuple[int, ...]
"""Places of words in the change table: that of the whole database comes first."""

Seen = tuple[tuple[int, int, int], ...]
"""Cells with what stood there."""

DOUBT = 2**64 - 1
"""Stands for the history where nothing is known; the next word counts such doubts, all different."""

EVERYTHING, ANYTHING = 1, 3
"""In a database's words: up to where all its tables count as changed; and where any of them did."""


class Positions:
    """The part of a change table that says below which position a replica is too old, by table.

    Cells of tables are shared by hash: a collision can only ask for too much. Writing takes the
    table's lock, reading takes none: of the two words of a cell the history is read on both sides of the
    other, and is a doubt while they are of two positions.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def cells(self, database: int, tables: Iterable[int] | None) -> Cells | None:
        """Return the cells that count for reading these tables (None: nobody knows which ones).

        None if the database is not :meth:`entered`.
        """
        base = self._base(database)
        if base is None:
            return None
        if tables is None:
            return (base + EVERYTHING, base + ANYTHING)
        return (base + EVERYTHING, *map(_cell, tables))

    def enter(self, database: int) -> None:
        """Keep positions of a database from now on, under the lock; of the 65th, none are kept."""
        if self._base(database) is not None:
            return
        for base in _bases():
            if not self._words[base]:
                self._doubt(base + EVERYTHING)
                self._words[base] = database
                return

    def are_reached(self, history: int, lsn: int, cells: Cells) -> bool:
        """Say whether who has replayed up to there, and on this history, is new enough."""
        words = self._words
        for at in cells:
            known = words[at]
            if known == history:
                if words[at + 1] > lsn or words[at] != known:  # or a writer came in between
                    return False
            elif known and (at == cells[0] or not _is_older(known, history)):
                return False
        return True

    def highest(self, cells: Cells) -> Position:
        """Return the position that has those of all the cells behind it."""
        first = self._position(cells[0])
        for at in cells[1:]:
            if self._words[at]:
                first = later(first, self._position(at))
        return first

    def seen(self, cells: Cells) -> Seen:
        """Note what stands in the cells before the primary is asked; :meth:`settle` needs it."""
        return tuple((at, self._words[at], self._words[at + 1]) for at in cells)

    def settle(self, seen: Seen, position: Position) -> None:
        """Take in, under the lock, what the primary said after the cells were seen.

        A doubt that was raised meanwhile stands: what it is about may be later than the answer.
        """
        history = history_of(position)
        for number, (at, known, lsn) in enumerate(seen):
            is_whole = number == 0
            if (self._words[at], self._words[at + 1]) != (known, lsn):
                continue
            is_foreign = known >> 32 != position.system
            if (known or is_whole) and (is_foreign or (is_whole and known < history)):
                self._put(at, position)

    def raise_to(self, reached: Reached) -> None:
        """Raise what is known, under the lock; an unknown position stays so until it is settled."""
        if not reached.database:  # more of them than a ticket can tell apart
            self.doubt_everything()
            return
        base = self._base(reached.database)
        if base is None:
            return
        tables = [_cell(table) for table in reached.tables] or [base + EVERYTHING]
        for at in (*tables, base + ANYTHING):
            self._raise(at, reached.position)

    def doubt_everything(self) -> None:
        """Say, under the lock, that all tables of all databases may have changed, up to anywhere."""
        for base in _bases():
            if self._words[base]:
                self._doubt(base + EVERYTHING)

    @property
    def doubtful(self) -> list[int]:
        """The databases of which nobody has asked the primary since there was a doubt."""
        words = self._words
        return [words[at] for at in _bases() if words[at] and words[at + EVERYTHING] == DOUBT]

    @property
    def databases(self) -> list[int]:
        return [self._words[base] for base in _bases() if self._words[base]]

    def _base(self, database: int) -> int | None:
        words = self._words
        for base in _bases():
            if words[base] == database:
                return base
            if not words[base]:
                return None
        return None

    def _position(self, at: int) -> Position:
        words = self._words
        while True:
            history, lsn = words[at], words[at + 1]
            if words[at] == history:  # else a writer raised it in between
                break
        return UNKNOWN if history == DOUBT else Position(history >> 32, history & 0xFFFFFFFF, lsn)

    def _raise(self, at: int, position: Position) -> None:
        if position == UNKNOWN:
            self._doubt(at)
            return
        known = self._words[at]
        # A doubt becomes another one: an answer that is on its way may not know of this.
        if known == DOUBT or (known and known >> 32 != position.system):
            self._doubt(at)
        elif self._position(at) < position:
            self._put(at, position)

    def _put(self, at: int, position: Position) -> None:
        """Store a position so that a reader in between, or for ever if the writer dies, has a doubt."""
        words, history = self._words, history_of(position)
        if words[at] != history:
            words[at] = DOUBT
        words[at + 1] = position.lsn
        words[at] = history

    def _doubt(self, at: int) -> None:
        self._words[layout.DOUBTS] += 1
        self._words[at], self._words[at + 1] = DOUBT, self._words[layout.DOUBTS]


def _is_older(known: int, history: int) -> bool:
    """Say whether a history is an earlier timeline of the same system: what is on this is not there."""
    return known >> 32 == history >> 32 and known < history


def _cell(table: int) -> int:
    return layout.POSITIONS + table % layout.POSITION_CELLS * layout.POSITION_WORDS


def _bases() -> range:
    end = layout.DATABASES + layout.DATABASE_CELLS * layout.DATABASE_WORDS
    return range(layout.DATABASES, end, layout.DATABASE_WORDS)
