"""The nouns of the model: things, slots, changes, and what overlaps what."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from .mutants import Mutant

__all__ = [
    "ANY",
    "EPOCH",
    "KEY_SLOTS",
    "NAMED",
    "PAGES",
    "READS",
    "SLOTS",
    "THINGS",
    "THINGS_OF",
    "Change",
    "Extent",
    "Parts",
    "Slots",
    "coarsened",
    "covered",
    "overlap",
    "touched",
]

Slots = frozenset[int]
Parts = frozenset[tuple[int, int]]
"""What a value was made of: (thing, version) pairs."""

THINGS = 3
"""Rows 0 and 1 of the one table, and 2, which is no row: a name, or a cache key."""
NAMED = 2

EPOCH, ANY, TABLE, ROWS, FIRST_THING = range(5)
FIRST_KEY = FIRST_THING + THINGS

THINGS_OF: dict[str, tuple[int, ...]] = {
    "row 0": (0,),
    "row 1": (1,),
    "table": (0, 1),
    "name": (NAMED,),
    "anything": (0, 1, NAMED),
}
"""What each read returns."""

READS: dict[str, Slots] = {
    "row 0": frozenset({FIRST_THING, ROWS}),
    "row 1": frozenset({FIRST_THING + 1, ROWS}),
    "table": frozenset({TABLE}),
    "name": frozenset({FIRST_THING + NAMED}),
    "anything": frozenset({ANY}),
}
"""The slots on which each read depends."""

PAGES: dict[str, tuple[str, ...]] = {
    "page": ("row 0",),
    "list": ("table",),
    "banner": ("name",),
    "report": ("anything",),
    "home": ("page", "row 1"),
    "front": ("home", "banner"),
}
"""The cache's keys, and what their blocks need: reads and other pages."""

KEY_SLOTS = {key: FIRST_KEY + number for number, key in enumerate(PAGES)}
SLOTS = FIRST_KEY + len(PAGES)


class Change(NamedTuple):
    id: int
    slots: Slots


class Extent(Enum):
    """How much is known of the rows that a statement writes."""

    ROW = "row"
    TABLE = "table"
    EVERYTHING = "everything"


def touched(things: Iterable[int], extent: Extent, broken: Mutant | None) -> Slots:
    """Return the slots that a write of these things touches."""
    if extent is Extent.EVERYTHING:
        return frozenset({EPOCH})
    slots = set()
    for thing in things:
        if thing == NAMED:
            slots.add(FIRST_THING + thing)
            continue
        if extent is Extent.ROW:
            slots.add(FIRST_THING + thing)
        elif broken is not Mutant.TABLE_SPARES_ROWS:
            slots.add(ROWS)
        if extent is Extent.TABLE or broken is not Mutant.ROW_SPARES_TABLE:
            slots.add(TABLE)
    return frozenset(slots)


def coarsened(slots: Slots, broken: Mutant | None) -> Slots:
    """Cover at least the same with fewer slots: rows become the table and all its rows."""
    rows = {FIRST_THING + thing for thing in range(THINGS) if thing != NAMED}
    if not slots & rows:
        return slots
    kept = frozenset() if broken is Mutant.COARSE_DROPS_NAMES else slots - rows
    return kept | {TABLE, ROWS}


def overlap(written: Iterable[int], read: Slots, broken: Mutant | None = None) -> bool:
    """Say whether what was written may have changed what was read."""
    written = frozenset(written)
    if EPOCH in written:
        return True
    if written and ANY in read and broken is not Mutant.ANY_UNNAMED:
        return True
    return not written.isdisjoint(read)


def covered(slots: Slots) -> list[int]:
    """Return the things of which an applied change leaves no older entry fresh."""
    if EPOCH in slots:
        return list(range(THINGS))
    return [
        thing
        for thing in range(THINGS)
        if FIRST_THING + thing in slots or (thing != NAMED and ROWS in slots)
    ]
