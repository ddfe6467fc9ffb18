"""Fills: from the miss to the entry that is kept, or isn't."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from nothing_shared.cache.entry import Entry
from nothing_shared.cache.signals import fill_refused
from nothing_shared.cache.store import Store
from nothing_shared.causality.scopes import Scope
from nothing_shared.clock import NEVER, SECOND
from nothing_shared.node.slots import EPOCH

__all__ = ["Noted", "expiry", "keep", "recall_miss", "remember_miss"]

MOST_MISSES = 100_000
MOST_WITHOUT_END = 1_000
"""Misses that are remembered where nobody says where the unit of work ends: a script may run for ever."""


class Noted(NamedTuple):
    """What was used, without its value: that a key was not there is something that was read, too."""

    begun: int
    slots: tuple[int, ...]


def expiry(store: Store, timeout: float | None, *, jitter: float = 0.0) -> int:
    """Return when an entry that is stored now expires, on the boot-time clock."""
    if timeout is None:
        return NEVER
    spread = 1 - jitter * random.random()
    return max(0, store.table.clock() + int(timeout * spread * SECOND))


def remember_miss(scope: Scope, store: Store, name: str) -> None:
    """Note that a name was missed: the first ``set`` of it in this scope is its fill."""
    now = store.table.clock()
    scope.use(Noted(now, store.own_indexes(name)))
    misses = scope.attachments.setdefault("misses", {})
    if len(misses) >= (MOST_WITHOUT_END if scope.is_implicit else MOST_MISSES):
        misses.pop(next(iter(misses)))
    misses[store.location, name] = (now, store.table.id)


def recall_miss(scope: Scope, store: Store, name: str) -> int | None:
    """Return when the miss began that makes this ``set`` a fill, None if it is out of the blue.

    After any write of the scope every ``set`` is out of the blue: it may be meant to replace. A miss
    on a node that was replaced since began before all times, so that its fill is refused.
    """
    misses = scope.attachments.get("misses")
    found = misses.pop((store.location, name), None) if misses else None
    if found is None or scope.writes or scope.is_unsafe:
        return None
    begun, table_id = found
    return begun if table_id == store.table.id else 0


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
    own = (store.key_slot(name), store.slot, *extra)
    if only:
        since = dict.fromkeys((EPOCH, *store.table.indexes(own)), begun)
    else:
        since = scope.dependencies(store.table, own, begun=begun)
    places = tuple(index for index in since if index != EPOCH)
    entry = Entry.of(value, begun=min(since.values()), expires=expires, slots=places)
    can_be_kept = scope.may_fill and not scope.is_pending(since)
    if can_be_kept and not store.keep_fill(name, entry, since):
        fill_refused.send_robust(sender=Store, name=name)
    return entry
