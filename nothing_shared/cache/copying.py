"""What need not be made of bytes at every hit: what nobody can change, or what is quickly copied."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

__all__ = ["IMMUTABLE", "bytes_of", "copier", "is_immutable"]

MOST_HANDED_OUT = 64
"""A tuple or frozenset of more items than this, nested ones included, is pickled."""

MOST_COPIED = 256
DEEPEST = 8
ITEMS_EACH = 4
"""With fewer items for each collection, unpickling is as fast."""

IMMUTABLE = {type(None), bool, int, float, complex, str, bytes, Decimal, UUID, date, timedelta}
TIMES = {datetime, time}
GROUPS = {tuple, frozenset}
COPIED = {dict, list, set}

WHAT_COPIES = 200
"""Bytes beside each dict, list or set: its method, with what it is called with, in a pair, in a list."""


def is_immutable(value: object) -> bool:
    """Say whether a value and all in it are immutable: small, nested tuples, times in UTC."""
    return type(value) in IMMUTABLE or _Look(MOST_HANDED_OUT).is_immutable(value)


def copier(value: object) -> Callable[[], Any] | None:
    """Return what copies a value as deeply as unpickling would, and faster; None if nothing does.

    Only a small one of dicts, lists and sets, each of which is in one place, and what is immutable.
    """
    look = _Look(MOST_COPIED)
    copy = look.copier(value, DEEPEST)
    items = MOST_COPIED - look.left
    return None if copy is None or look.copiers * ITEMS_EACH > items + ITEMS_EACH else copy


def bytes_of(value: object) -> int:
    """Return what a value of such collections takes, and what copies it."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + WHAT_COPIES + _bytes_of_all(value) + _bytes_of_all(value.values())
    if isinstance(value, (list, set)):
        return size + WHAT_COPIES + _bytes_of_all(value)
    if isinstance(value, (tuple, frozenset)):
        return size + _bytes_of_all(value)
    return size


def _bytes_of_all(values: Collection[object]) -> int:
    return sum(map(sys.getsizeof if IMMUTABLE.issuperset(map(type, values)) else bytes_of, values))


class _Look:
    """One look at a value, which ends after so many items."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.copiers = 0
        self._seen: set[int] = set()

    def is_immutable(self, value: object) -> bool:
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, (tuple, frozenset)) and type(item) in GROUPS:
                self.left -= len(item)
                if self.left < 0:
                    return False
                waiting.extend(item)
            elif isinstance(item, (datetime, time)) and type(item) in TIMES:
                if item.tzinfo is not None and item.tzinfo is not UTC:
                    return False
            elif type(item) not in IMMUTABLE:
                return False
        return True

    def _are_immutable(self, values: Collection[object]) -> bool:
        return IMMUTABLE.issuperset(map(type, values)) or all(map(self.is_immutable, values))

    def copier(self, value: Any, deepest: int) -> Callable[[], Any] | None:
        kind = type(value)
        if kind not in COPIED or id(value) in self._seen:  # in two places it has to stay one thing
            return None
        self._seen.add(id(value))
        self.copiers += 1
        self.left -= 2 * len(value) if kind is dict else len(value)
        if self.left < 0 or deepest == 0 or (kind is not list and not self._are_immutable(value)):
            return None
        if kind is set or IMMUTABLE.issuperset(
            map(type, value.values() if kind is dict else value)
        ):
            return value.copy  # type: ignore[no-any-return]
        return self._copier(value, value.items() if kind is dict else enumerate(value), deepest)

    def _copier(
        self, value: Any, members: Iterable[tuple[Any, Any]], deepest: int
    ) -> Callable[[], Any] | None:
        inner = []
        for key, member in members:
            if type(member) in COPIED:
                copy = self.copier(member, deepest - 1)
                if copy is None:
                    return None
                inner.append((key, copy))
            elif not self.is_immutable(member):
                return None
        return partial(_copied, value, inner) if inner else value.copy


def _copied(value: Any, inner: list[tuple[Any, Callable[[], Any]]]) -> Any:
    copy = value.copy()
    for key, make in inner:
        copy[key] = make()
    return copy
