"""What need not be unpickled at every hit: values that nobody can change, or that are quickly copied."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

__all__ = ["IMMUTABLE", "bytes_of", "copier", "is_immutable"]

MOST_ITEMS = 256
"""A collection of more than this, nested ones included, is pickled."""

IMMUTABLE = {type(None), bool, int, float, complex, str, bytes, Decimal, UUID, date, timedelta}
TIMES = {datetime, time}
GROUPS = {tuple, frozenset}
COPIED = {dict, list, set}

WHAT_COPIES = 136
"""Bytes beside each dict, list or set: its method, in a pair, in a list."""


def is_immutable(value: object) -> bool:
    """Say whether a value and all in it are immutable: small, nested tuples, times in UTC."""
    return type(value) in IMMUTABLE or _Look().is_immutable(value)


def copier(value: object) -> Callable[[], Any] | None:
    """Return what copies a value as deeply as unpickling would, and faster; None if nothing does.

    Only a small one of dicts, lists and sets, each of which is in one place, and what is immutable.
    """
    return _Look().copier(value)


def bytes_of(value: object) -> int:
    """Return what a value of such collections takes, and what copies it."""
    size = sys.getsizeof(value)
    if isinstance(value, (tuple, frozenset)):
        size += sum(map(bytes_of, value))
    elif isinstance(value, (list, set, dict)):
        size += WHAT_COPIES + sum(map(bytes_of, value))
    if isinstance(value, dict):
        size += sum(map(bytes_of, value.values()))
    return size


class _Look:
    """One look at a value, which ends after so many items."""

    def __init__(self) -> None:
        self._left = MOST_ITEMS
        self._seen: set[int] = set()

    def is_immutable(self, value: object) -> bool:
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, (tuple, frozenset)) and type(item) in GROUPS:
                self._left -= len(item)
                if self._left < 0:
                    return False
                waiting.extend(item)
            elif isinstance(item, (datetime, time)) and type(item) in TIMES:
                if item.tzinfo is not None and item.tzinfo is not UTC:
                    return False
            elif type(item) not in IMMUTABLE:
                return False
        return True

    def _are_immutable(self, values: Collection[object]) -> bool:
        self._left -= len(values)
        return all(map(self.is_immutable, values))

    def copier(self, value: Any) -> Callable[[], Any] | None:
        kind = type(value)
        if kind not in COPIED or id(value) in self._seen:  # in two places it has to stay one thing
            return None
        self._seen.add(id(value))
        self._left -= len(value)
        if self._left < 0 or (kind is not list and not self._are_immutable(value)):
            return None
        if kind is set:
            return value.copy  # type: ignore[no-any-return]
        return self._copier(value, value.items() if kind is dict else enumerate(value))

    def _copier(self, value: Any, members: Iterable[tuple[Any, Any]]) -> Callable[[], Any] | None:
        inner = []
        for key, member in members:
            if not self.is_immutable(member):
                copy = self.copier(member)
                if copy is None:
                    return None
                inner.append((key, copy))
        return partial(_copied, value, inner) if inner else value.copy


def _copied(value: Any, inner: list[tuple[Any, Callable[[], Any]]]) -> Any:
    copy = value.copy()
    for key, make in inner:
        copy[key] = make()
    return copy
