"""Floors: the positions below which a replica is too old for one client, by table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from nothing_shared.node.positions import UNKNOWN, Position, Reached, later

__all__ = ["EVERY_DATABASE", "MOST_TABLES", "Floors"]

MOST_TABLES = 16
"""Past so many tables of a database, a client has changed all of them."""

ALL = 0

EVERY_DATABASE = 0
"""Stands for more databases than can be told apart."""


class Floors:
    """What one client has written, as far as replicas need to know: more is added, never less."""

    def __init__(self, reached: Iterable[Reached] = ()) -> None:
        self.by_database: dict[int, dict[int, Position]] = {}
        self.add(reached)

    def __bool__(self) -> bool:
        return bool(self.by_database)

    def add(self, reached: Iterable[Reached]) -> None:
        """Raise what is known to what a change, or another ticket of the client, says."""
        for database, position, tables in reached:
            known = self.by_database.setdefault(database, {})
            for table in tables or (ALL,):
                known[table] = later(known.get(table, position), position)
            if len(known) > MOST_TABLES:
                whole = position
                for other in known.values():
                    whole = later(whole, other)
                self.by_database[database] = {ALL: whole}

    def of(self, database: int, tables: Iterable[int] | None) -> Position | None:
        """Return the floor for reading these tables (None: nobody knows which); None if there is none."""
        if EVERY_DATABASE in self.by_database:
            return UNKNOWN
        known = self.by_database.get(database)
        if known is None:
            return None
        floor = known.get(ALL)
        for table in tuple(known) if tables is None else tables:  # another thread may add
            position = known.get(table)
            if position is not None:
                floor = position if floor is None else later(floor, position)
        return floor

    def settle(self, database: int, position: Position) -> bool:
        """Replace what can't be compared with this history by how far it has got; say if any was.

        The position must have been read after what it replaces was known.
        """
        known = self.by_database.get(database, {})
        kept = {
            table: floor
            for table, floor in known.items()
            if floor[:2] == position[:2] or (floor[0] == position[0] and floor > position)
        }
        if len(kept) == len(known):
            return False
        whole = kept.get(ALL)
        kept[ALL] = position if whole is None else later(whole, position)
        self.by_database[database] = kept
        return True

    def reached(self) -> tuple[Reached, ...]:
        """Return all floors; tables with one position together."""
        groups: defaultdict[tuple[int, Position], list[int]] = defaultdict(list)
        for database, known in sorted(self.by_database.items()):
            for table, position in sorted(known.items()):
                groups[database, position].append(table)
        found = []
        for (database, position), tables in groups.items():
            is_whole = ALL in tables or position == UNKNOWN
            found.append(Reached(database, position, () if is_whole else tuple(tables)))
        return tuple(found)
