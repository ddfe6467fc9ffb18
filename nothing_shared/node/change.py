"""The one noun everything rests on: a change."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from nothing_shared.node import slots

__all__ = ["MAX_SLOTS", "Change", "Position"]

MAX_SLOTS = 512
"""A change of more slots than this travels as a change of everything."""


class Position(NamedTuple):
    """How far a database's history has got; compared within one database, as a tuple."""

    timeline: int
    lsn: int


@dataclass(frozen=True, slots=True)
class Change:
    """An id, the slots it touches (32-bit hashes), and the positions of databases after it.

    ``positions`` maps a table's slot (or ``EPOCH`` for a whole database) to a position.
    """

    slots: tuple[int, ...]
    id: int = field(default_factory=lambda: secrets.randbits(63) + 1)
    positions: tuple[tuple[int, Position], ...] = ()

    @classmethod
    def of(cls, touched: Iterable[int]) -> Change:
        """Make a change of some slots, coarsened to everything when there are too many."""
        distinct = tuple(sorted(set(touched)))
        return cls(distinct if len(distinct) <= MAX_SLOTS else (slots.EPOCH,))

    def __bool__(self) -> bool:
        return bool(self.slots)
