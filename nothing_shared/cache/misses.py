"""What a unit of work has looked for in vain: a ``set`` of it is a fill."""

from __future__ import annotations

from typing import NamedTuple

from nothing_shared.cache.store import Store
from nothing_shared.causality.reads import Noted
from nothing_shared.causality.unit import Scope

__all__ = ["forget", "is_filled", "note_filled", "recall", "remember"]

MOST = 100_000
MOST_WITHOUT_END = 1_000
"""Misses that are remembered where nobody says where the unit of work ends: a script may run for ever."""


class Miss(NamedTuple):
    """When a name was looked for, and on which table; whether it was stored since."""

    begun: int
    table: int
    is_filled: bool = False


def remember(scope: Scope, store: Store, name: str) -> None:
    """Note that a name was missed."""
    now, misses = store.table.clock(), scope.misses
    scope.use(Noted(now, store.own_indexes(name)))
    if len(misses) >= (MOST_WITHOUT_END if scope.is_implicit else MOST):
        misses.pop(next(iter(misses)))
    misses[store.location, name] = Miss(now, store.table.id)


def recall(scope: Scope, store: Store, name: str) -> int | None:
    """Return when the miss began that makes this ``set`` a fill, None if it is out of the blue.

    After any write of rows every ``set`` is out of the blue: it may be meant to replace. A miss on
    a node that was replaced since began before all times, so that its fill is refused.
    """
    found: Miss | None = scope.misses.get((store.location, name))
    if found is None or scope.wrote_rows or scope.is_unsafe:
        return None
    return found.begun if found.table == store.table.id else 0


def note_filled(scope: Scope, store: Store, name: str) -> None:
    """Note that what was missed has been stored: a further ``set`` replaces it."""
    found: Miss | None = scope.misses.get((store.location, name))
    if found is not None:
        scope.misses[store.location, name] = found._replace(is_filled=True)


def is_filled(scope: Scope, store: Store, name: str) -> bool:
    found: Miss | None = scope.misses.get((store.location, name))
    return found is not None and found.is_filled


def forget(scope: Scope, store: Store, name: str | None = None) -> None:
    """Forget the miss of a name, or of any name of the store: it was deleted here."""
    for place in [place for place in scope.misses if place == (store.location, name or place[1])]:
        del scope.misses[place]
