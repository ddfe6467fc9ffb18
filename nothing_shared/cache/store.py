"""One cache of one machine as one process sees it: both tiers, and the table that judges them."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import threading
from collections.abc import Mapping

import django

from nothing_shared.cache.conf import CacheOptions
from nothing_shared.cache.entry import Entry, decode, encode
from nothing_shared.cache.keys import is_portable
from nothing_shared.cache.l1 import L1
from nothing_shared.cache.l2 import L2
from nothing_shared.causality.unit import Scope
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process, slots
from nothing_shared.node.layout import LEASE_UNTIL
from nothing_shared.node.process import Node
from nothing_shared.singleflight import SingleFlight

__all__ = ["Store", "store_for"]

logger = logging.getLogger("nothing_shared.cache")

PATIENCE = 0.1
"""Seconds that a fill waits for the change table: it can be done again, and L2's lock is held."""


class Store:
    """Both tiers of one ``LOCATION`` on this node."""

    def __init__(self, node: Node, location: str, options: CacheOptions) -> None:
        self.location = location
        self.table = node.table
        self.max_staleness = node.max_staleness
        self.serves_when_partitioned = options.when_partitioned == "serve"
        self.slot = slots.key(location, "")
        """Touched by ``clear()``; every entry depends on it."""
        self.l1 = L1(options.l1_bytes)
        self.l2 = L2(
            node.directory / f"l2-{_release(location)}.mdb",
            max_bytes=options.l2_bytes,
            lock=node.directory / f"l2-{_release(location)}.lock",
        )
        self.flights = SingleFlight(node.directory / "flights")

    def key_slot(self, name: str) -> int:
        return slots.key(self.location, name)

    def own_indexes(self, name: str) -> tuple[int, ...]:
        """Return the places in the change table on which an entry of this name always depends."""
        return self.table.indexes((self.key_slot(name), self.slot))

    def fetch(self, name: str) -> Entry | None:
        """Return L2's entry of a name, fresh or not; none for a bad key, of which one is to be warned."""
        record = self.l2.get(name) if is_portable(name) else None
        return None if record is None else decode(record, self.table.id)

    def find(self, name: str) -> tuple[Entry | None, str]:
        """Return the entry of a name, fresh or not, and its tier; L1's if that is fresh."""
        entry = self.l1.entries.get(name)
        if entry is not None and self.table.fresh(entry.begun, entry.slots):
            return entry, "l1"
        record = self.l2.get(name)
        shared = None if record is None else decode(record, self.table.id)
        if shared is None or (entry is not None and entry.begun > shared.begun):
            return entry, "l1"
        return shared, "l2"

    def may_serve(self, entry: Entry, scope: Scope) -> bool:
        """Say whether an entry is as good as what the database would answer now."""
        if scope.refuses_cached or (scope.pending and scope.is_pending(entry.slots)):
            return False
        table, begun = self.table, entry.begun
        # The lease is read before the slots, and the clock after them: what is heard under the
        # lease is in the table by then.
        until = table.words[LEASE_UNTIL]
        if not table.fresh(begun, entry.slots):
            return False
        now = table.clock()
        if now >= entry.expires:
            return False
        return now < until or (self.serves_when_partitioned and now < begun + self.max_staleness)

    def may_serve_stale(self, entry: Entry, scope: Scope) -> bool:
        """Say whether an entry that is expired or no longer fresh may be served all the same."""
        if scope.refuses_cached or scope.is_pending(entry.slots):
            return False
        if self._is_ticketed(entry, scope):
            return False
        return self.table.clock() < entry.begun + self.max_staleness

    def _is_ticketed(self, entry: Entry, scope: Scope) -> bool:
        if not scope.ticketed:
            return False
        changed = {slots.ANY, *self.table.indexes(scope.ticketed)}
        return not changed.isdisjoint((slots.EPOCH, *entry.slots))

    def keep_fill(self, name: str, entry: Entry, since: Mapping[int, int]) -> bool:
        """Store an entry unless a slot that it depends on has changed since it was read."""
        try:
            with self.l2.write() as shared:
                if not self._date(entry, since):
                    return False
                shared.put(name, encode(entry, self.table.id))
        except (LockTimeout, OSError) as failure:
            logger.warning("a fill was not kept: %s", failure)
            return False
        self.hold(name, entry)
        return True

    def _date(self, entry: Entry, since: Mapping[int, int]) -> bool:
        """Let an entry begin at the moment at which nothing that it depends on is known to have changed.

        No change can be applied meanwhile, so every later one is newer than the entry. A deaf node
        knows too little for that: there the entry is as old as its oldest read.
        """
        changed = self.table.changed
        with self.table.lock.held(PATIENCE):
            if any(changed[index] >= begun for index, begun in since.items()):
                return False
            if self.table.leased():
                entry.begun = self.table.clock()
        return True

    def hold(self, name: str, entry: Entry) -> bool:
        """Put an entry into this worker's own tier, where its hits are not looked at for bad keys."""
        return is_portable(name) and self.l1.put(name, entry)

    def clear(self) -> None:
        self.l1.clear()
        self.l2.clear()

    @property
    def is_void(self) -> bool:
        """Say whether the node directory was replaced, so that another store is to be used."""
        return self.table.is_retired


def _release(location: str) -> str:
    """Name a file that releases of other classes don't unpickle."""
    release = f"{location}\0{platform.python_version()}\0{django.VERSION[:2]}"
    return hashlib.sha256(release.encode()).hexdigest()[:12]


_stores: dict[tuple[int, str], Store] = {}
_opening = threading.Lock()


def store_for(location: str, options: CacheOptions) -> Store:
    """Return this process's store of a location, shared by all threads and aliases."""
    node = process.current()
    name = (node.table.id, location)
    store = _stores.get(name)
    if store is None:
        with _opening:
            store = _stores.get(name)
            if store is None:
                store = _stores[name] = Store(node, location, options)
    return store


def _after_fork_in_child() -> None:
    global _opening
    _opening = threading.Lock()
    for store in _stores.values():
        store.l1.reset_locks()


os.register_at_fork(after_in_child=_after_fork_in_child)
