"""The one noun everything rests on: a change."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from nothing_shared.node import slots
from nothing_shared.node.positions import Reached

__all__ = ["MAX_SLOTS", "Change"]

MAX_SLOTS = 512
"""A change of more slots than this travels as a change of everything."""


@dataclass(frozen=True, slots=True)
class Change:
    """An id, the slots it touches (32-bit hashes), and how far databases with replicas had got after it.

    Who changes such a database always says a position, if only that it is unknown.
    """

    slots: tuple[int, ...]
    id: int = field(default_factory=lambda: secrets.randbits(63) + 1)
    positions: tuple[Reached, ...] = ()

    @classmethod
    def of(cls, touched: Iterable[int], positions: tuple[Reached, ...] = ()) -> Change:
        """Make a change of some slots, coarsened to everything when there are too many."""
        distinct = tuple(sorted(set(touched)))
        return cls(distinct if len(distinct) <= MAX_SLOTS else (slots.EPOCH,), positions=positions)

    def __bool__(self) -> bool:
        return bool(self.slots)
