"""Fills: from the miss to the entry that is kept, or isn't."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from nothing_shared.cache import misses
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

    It depends on ``extra`` slots and, unless ``only`` those, on all that the scope has read.
    """
    entry = Entry.of(value, begun=0, expires=expires, slots=())  # to pickle it may read some more
    own = (store.key_slot(name), store.slot, *extra)
    if only:
        # The names as old as the unit of work, which may have found what it is made of before; the key
        # as old as the miss.
        since = dict.fromkeys(store.table.indexes(extra), min(begun, scope.earliest))
        since.update(dict.fromkeys(store.table.indexes(own[:2]), begun))
        since[EPOCH] = min(since.values())
    else:
        since = scope.dependencies(store.table, own, begun=begun)
    entry.begun = min(since.values())
    entry.depend(tuple(index for index in since if index != EPOCH))
    if scope.is_implicit:  # without an end it would never again replace what it had missed once
        misses.forget(scope, store, name)
    if not scope.may_fill or scope.is_pending(since):
        return entry
    if store.keep_fill(name, entry, since):
        misses.forget(scope, store, name)
    else:  # another part of this unit of work may be about to store the same
        fill_refused.send_robust(sender=Store, name=name)
    return entry
