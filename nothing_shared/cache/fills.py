"""Fills: from the miss to the entry that is kept, or isn't."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from nothing_shared.cache import misses, writes
from nothing_shared.cache.entry import Entry
from nothing_shared.cache.signals import fill_refused
from nothing_shared.cache.store import Store
from nothing_shared.causality.unit import Scope
from nothing_shared.clock import NEVER, SECOND
from nothing_shared.node.slots import EPOCH

__all__ = ["expiry", "keep"]


def expiry(store: Store, timeout: float | None, *, jitter: float = 0.0) -> int:
    """Return when an entry that is stored now expires, on the boot-time clock."""
    if timeout is None:
        return NEVER
    spread = 1 - jitter * random.random()
    return max(0, store.table.clock() + int(timeout * spread * SECOND))


def keep(
    store: Store,
    scope: Scope,
    name: str,
    value: Any,
    *,
    begun: int,
    expires: int,
    extra: Iterable[int],
    only: bool = False,
) -> Entry:
    """Keep what was computed, unless it raced with a change; return its entry in any case.

    It depends on ``extra`` slots and, unless ``only`` those, on all that the scope has read. What the
    scope has filled before is replaced, here and everywhere.
    """
    made = Entry.of(value, begun=0, expires=expires, slots=())  # to pickle it may read some more
    own = (store.key_slot(name), store.slot, *extra)
    if only:
        first = min(begun, scope.earliest)
        since = dict.fromkeys((EPOCH, *store.table.indexes(own)), first)
    else:
        since = scope.dependencies(store.table, own, begun=begun)
    places = tuple(index for index in since if index != EPOCH)
    entry = Entry(made.value, made.pickled, min(since.values()), expires, places)
    if not scope.may_fill or scope.is_pending(since):
        return entry
    if misses.is_filled(scope, store, name):
        writes.replace(store, scope, name, entry)
    elif store.keep_fill(name, entry, since):
        misses.note_filled(scope, store, name)
    else:
        fill_refused.send_robust(sender=Store, name=name)
    return entry
