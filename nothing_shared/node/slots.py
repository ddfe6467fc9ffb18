"""Slots: 32-bit hashes of the names of things that can change."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

__all__ = [
    "ANY",
    "EPOCH",
    "FIRST_HASHED",
    "database",
    "file",
    "key",
    "name",
    "row",
    "rows",
    "schema",
    "slot",
    "table",
]

EPOCH = 0
"""Everything: all entries depend on it, and a change of it forgets them all."""

ANY = 1
"""Touched by every change: what depends on it is fresh until anything at all changes."""

FIRST_HASHED = 2


@lru_cache(maxsize=16_384)
def slot(kind: str, *parts: str) -> int:
    """Hash a name into 2 .. 2**32-1, alike on every node and release.

    Two names may share a slot: that can only forget too much.
    """
    digest = blake2b("\0".join((kind, *parts)).encode(), digest_size=4).digest()
    return max(int.from_bytes(digest, "little"), FIRST_HASHED)


def database(database: str) -> int:
    """Nothing depends on it: it stands for a database where its positions are kept."""
    return slot("database", database)


def table(database: str, table: str) -> int:
    """Touched by every write to the table; what read it at large depends on it."""
    return slot("table", database, table.lower())


def rows(database: str, table: str) -> int:
    """Touched by writes of rows unknown; what read known rows depends on it and on each :func:`row`."""
    return slot("rows", database, table.lower())


def row(database: str, table: str, key: object) -> int:
    """Touched by writes of this one row."""
    return slot("row", database, table.lower(), str(key))


def key(store: str, key: str) -> int:
    """Touched when a cache key is set out of the blue or deleted."""
    return slot("key", store, key)


def name(name: str) -> int:
    """Touched by ``invalidate(name)``."""
    return slot("name", name)


def file(storage: str, name: str) -> int:
    """Touched when a file of a storage, named by its alias, is replaced or deleted."""
    return slot("file", storage, name)


def schema(database: str) -> int:
    """Touched when tables, views or triggers may have changed: what is known of them is void."""
    return slot("schema", database)
