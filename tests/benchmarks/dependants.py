"""Any number of entries that depend on one name."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MOST_FILLED", "TIMEOUT", "fill", "hits", "names", "tag_of"]

MOST_FILLED = 10_000
"""Of more, each entry is put into L1 as a fill does it: as many fills would take minutes."""

TIMEOUT = 3600


def tag_of(number: int) -> str:
    """Return the name that so many entries depend on."""
    return f"weather {number}"


def names(number: int) -> Iterator[str]:
    return (f"forecast:{number}:{place}" for place in range(number))


def fill(number: int) -> None:
    """Cache entries that depend on one name: by fills, or put where a fill puts them."""
    from nothing_shared.causality import scope

    tag = tag_of(number)
    store = fill_one if number <= MOST_FILLED else hold_one
    for name in names(number):
        with scope():
            store(name, tag)


def fill_one(name: str, tag: str) -> None:
    from django.core.cache import cache

    cache.get_or_set(name, "sunny", TIMEOUT, depends_on=(tag,))


def hold_one(name: str, tag: str) -> None:
    """Put a fill's entry into this worker's tier, of which alone the cost could depend."""
    from django.core.cache import cache

    from nothing_shared.cache.entry import Entry
    from nothing_shared.clock import SECOND
    from nothing_shared.node import slots

    full_name = cache.make_key(name)
    store = cache._store  # type: ignore[attr-defined]
    begun = store.table.clock()
    own = store.table.indexes((store.key_slot(full_name), store.slot, slots.name(tag)))
    expires = begun + TIMEOUT * SECOND
    assert store.hold(full_name, Entry.of("sunny", begun=begun, expires=expires, slots=own))


def hits(number: int) -> int:
    from django.core.cache import cache

    from nothing_shared.causality import scope

    found = 0
    for name in names(number):
        with scope():
            found += cache.get(name) is not None
    return found
