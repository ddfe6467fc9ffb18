"""Keys of rows, from the parameters of an execution."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from nothing_shared.causality.relations import Kind
from nothing_shared.causality.rows import MAX_ROWS, RowPin

__all__ = ["canonical_key", "keys_by_table"]

LIMIT = 2**64
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-?)(?:[0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}")


def keys_by_table(
    pins: Iterable[RowPin], executions: Any, total: int
) -> dict[str, set[str]] | None:
    """Return the keys of pinned rows over all executions; None if any is not certainly one.

    ``executions`` are the parameters of each, ``total`` is how many the text has places for.
    """
    found: dict[str, set[str]] = {}
    for pin in pins:
        keys = found[pin.table] = set(pin.literals)
        for params in executions:
            if not isinstance(params, (tuple, list)) or len(params) != total:
                if pin.params:
                    return None
                continue
            for index in pin.params:
                key = canonical_key(params[index], pin.kind)
                if key is None:
                    return None
                keys.add(key)
        if len(keys) > MAX_ROWS:
            return None
    return found


def canonical_key(value: object, kind: Kind) -> str | None:
    """Return the one text that stands for a key of this kind; None if it is none for certain."""
    if type(value) is int or (isinstance(value, int) and is_of_psycopg(value)):
        return int.__repr__(value) if kind == "int" and -LIMIT < value < LIMIT else None
    if kind == "uuid":
        if type(value) is UUID:
            return value.hex
        if type(value) is str and UUID_TEXT.fullmatch(value):
            return value.replace("-", "").lower()
    return None


def is_of_psycopg(value: int) -> bool:
    """Say whether it is one of the integers that Django wraps for psycopg; others may adapt otherwise."""
    return type(value).__module__.startswith("psycopg.")
