"""A client: the cookies it carries, and what it has a right to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .agent import LEASE
from .changes import THINGS, Change

__all__ = ["MAX_STALENESS", "SKEW", "TICKET_LIFE", "Carried", "Client"]

MAX_STALENESS = 48
SKEW = 4
"""How far apart the wall clocks of two nodes may be."""
TICKET_LIFE = LEASE + MAX_STALENESS + SKEW


class Carried(NamedTuple):
    """A change in a ticket, with the wall clock's time at which it was handed out."""

    change: Change
    stamp: int


@dataclass(eq=False, slots=True)
class Client:
    """``acknowledged``: thing → place in its history of the last write whose response arrived."""

    cookies: dict[int, tuple[Carried, ...]] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=lambda: [0] * THINGS)
