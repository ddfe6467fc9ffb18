"""What a unit of work has looked for in vain: a ``set`` of it is a fill."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from nothing_shared.cache.store import Store
from nothing_shared.causality.reads import Noted
from nothing_shared.causality.unit import Scope

__all__ = ["forget", "forget_all", "recall", "remember"]

MOST = 100_000
MOST_WITHOUT_END = 1_000
"""Misses that are remembered where nobody says where the unit of work ends: a script may run for ever."""


class Miss(NamedTuple):
    """When a name was looked for, and on which table."""

    begun: int
    table: int


def remember(scope: Scope, store: Store, name: str) -> None:
    """Note that a name was missed."""
    now, misses = store.table.clock(), scope.misses
    scope.use(Noted(now, store.own_indexes(name)))
    if len(misses) >= (MOST_WITHOUT_END if scope.is_implicit else MOST):
        with suppress(StopIteration, RuntimeError):  # other threads of this unit do the same
            misses.pop(next(iter(misses)), None)
    misses[store.location, name] = Miss(now, store.table.id)


def recall(scope: Scope, store: Store, name: str) -> int | None:
    """Return when the miss began that makes this ``set`` a fill, None if it is out of the blue.

    After a write of rows every ``set`` is out of the blue: it may be meant to replace. A miss on
    a node that was replaced since began before all times, so that its fill is refused.
    """
    found: Miss | None = scope.misses.get((store.location, name))
    if found is None or scope.may_replace or scope.is_unsafe:
        return None
    return found.begun if found.table == store.table.id else 0


def forget(scope: Scope, store: Store, name: str) -> None:
    """Forget a miss: the name was stored or deleted here."""
    scope.misses.pop((store.location, name), None)


def forget_all(scope: Scope, store: Store) -> None:
    for place in list(scope.misses):
        if place[0] == store.location:
            scope.misses.pop(place, None)
