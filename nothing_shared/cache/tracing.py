"""See where cached values came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nothing_shared.causality.scopes import current
from nothing_shared.causality.unit import Scope
from nothing_shared.clock import SECOND, boottime_ns

__all__ = ["Outcome", "note", "trace"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One look into a cache: ``tier`` is "l1", "l2", "miss" or "stale", ``age`` is in seconds."""

    name: str
    tier: str
    age: float = 0.0


@contextmanager
def trace() -> Iterator[list[Outcome]]:
    """Collect the outcomes of this unit of work's looks into caches while the block runs."""
    scope = current()
    before = scope.attachments.get("trace")
    outcomes: list[Outcome] = []
    scope.attachments["trace"] = outcomes
    scope.careful = True
    try:
        yield outcomes
    finally:
        scope.attachments["trace"] = before


def note(scope: Scope, name: str, tier: str, begun: int | None = None) -> None:
    outcomes = scope.attachments.get("trace")
    if outcomes is not None:
        age = 0.0 if begun is None else (boottime_ns() - begun) / SECOND
        outcomes.append(Outcome(name, tier, age))
