"""``MachineCache``: Django's cache contract on one machine, coherent with all the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from django.apps import apps
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.cache import fills, misses, writes
from nothing_shared.cache.conf import BACKEND, cache_options
from nothing_shared.cache.entry import Entry
from nothing_shared.cache.keys import Named
from nothing_shared.cache.loading import Loading
from nothing_shared.cache.names import Name, depended_on
from nothing_shared.cache.store import Store, store_for
from nothing_shared.cache.tracing import note
from nothing_shared.cache.twins import AsyncTwins
from nothing_shared.causality import scopes
from nothing_shared.causality.pending import touch
from nothing_shared.causality.reads import Noted
from nothing_shared.causality.scopes import SCOPE
from nothing_shared.causality.unit import FOLD_AFTER, Scope
from nothing_shared.clock import boottime_ns
from nothing_shared.node import layout, slots

__all__ = ["MachineCache"]

LEASE_UNTIL = layout.LEASE_UNTIL
EPOCH = slots.EPOCH


class MachineCache(AsyncTwins, Named):
    """Two tiers on this machine, judged at every hit by what has changed anywhere.

    ``add``, ``incr`` and ``touch`` are atomic on this machine and say nothing to others; ``set``,
    ``delete`` and ``clear`` do, except that the first ``set`` of a key which this unit of work has
    missed, and which has written no rows, is a local fill. Timeouts count on a clock that nobody steps.
    """

    def __init__(self, location: str, params: Mapping[str, Any]) -> None:
        super().__init__(dict(params))
        if not apps.is_installed("nothing_shared.cache"):
            raise ImproperlyConfigured(
                f'CACHES uses "{BACKEND}", which hears what is read and written only with its app: '
                'add "nothing_shared.cache" to INSTALLED_APPS.'
            )
        self._location = location or "default"
        self._options = cache_options(self._location, params.get("OPTIONS") or {})
        self._open()

    def _open(self) -> Store:
        self._store = store = store_for(self._location, self._options)
        self._at_hand = store.l1.entries.get, store.table.words, store.table.changed
        return store

    def _ready(self) -> Store:
        return self._open() if self._store.is_void else self._store

    # Reading ----------------------------------------------------------------------------------

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        find, words, changed = self._at_hand
        head = self._head
        if version is None and type(key) is str and head is not None:
            name = head + key
        else:
            name = self._name(key, version)
        entry = held = find(name)
        scope = SCOPE.get()
        if scope is None or scope.careful:
            return self._get(name, default)
        if held is None:
            entry = self._store.fetch(name)
        if entry is not None:
            # The lease is read before the slots, and the clock after them: see Store.may_serve.
            until = words[LEASE_UNTIL]
            begun = entry.begun
            for index in entry.slots:
                if changed[index] >= begun:
                    break
            else:
                if changed[EPOCH] < begun and entry.expires > boottime_ns() < until:
                    used = scope.used
                    if held is not None or self._store.l1.put(name, entry):
                        used.append(entry)
                    else:
                        used.append(Noted(begun, entry.slots))
                    if len(used) > FOLD_AFTER:
                        scope.fold()
                    if entry.frequency < 3 and held is not None:
                        self._store.l1.visit(name, entry)
                    packed = entry.packed
                    if packed is not None:
                        return entry.unpack(packed)
                    return entry.value if entry.copy is None else entry.copy()
        return self._get(name, default)

    def _get(self, name: str, default: Any) -> Any:
        """Look where the fast path above doesn't: transactions, partitions, traces, stale entries."""
        self.validate_key(name)
        found = self.look_up(name)
        if found is None:
            misses.remember(scopes.current(), self._store, name)
            note(scopes.current(), name, "miss")
            return default
        return found.load()

    def look_up(self, name: str, label: str | None = None) -> Entry | None:
        """Return the entry that may be served to this scope, and note that it was used."""
        store, scope = self._ready(), scopes.current()
        entry = writes.overlaid(store, scope, name)
        if entry is not None:
            scope.use(Noted(store.table.clock(), store.own_indexes(name)))
            return entry if store.table.clock() < entry.expires else None
        entry, tier = store.find(name)
        if entry is None or not store.may_serve(entry, scope):
            return None
        is_held = store.l1.visit(name, entry) if tier == "l1" else store.hold(name, entry)
        use = scope.use if store.table.leased() else scope.use_stale
        use(entry if is_held else Noted(entry.begun, entry.slots))
        note(scope, label or name, tier, entry.begun)
        return entry

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self.get(key, self._missing_key, version=version) is not self._missing_key

    # Writing ----------------------------------------------------------------------------------

    def set(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        depends_on: Iterable[Name] = (),
    ) -> None:
        """Store a value: as a fill if this unit of work has just missed the key, else for everybody.

        ``depends_on`` names what the value is to be forgotten with: names, model classes, instances.
        """
        name = self._checked_name(key, version)
        store, scope = self._ready(), scopes.current()
        expires = fills.expiry(store, self._seconds(timeout))
        extra = tuple(depended_on(depends_on))
        begun = misses.recall(scope, store, name)
        if begun is not None and expires > store.table.clock():
            fills.keep(store, scope, name, value, begun=begun, expires=expires, extra=extra)
            return
        own = store.table.indexes((store.key_slot(name), store.slot, *extra))
        entry = Entry.of(value, begun=0, expires=expires, slots=own)
        if not writes.replace_on_commit(store, scope, name, entry):
            writes.replace(store, scope, name, entry)

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        name = self._checked_name(key, version)
        store, scope = self._ready(), scopes.current()
        expires = fills.expiry(store, self._seconds(timeout))
        new = Entry.of(value, begun=0, expires=expires, slots=store.own_indexes(name))
        if writes.overlaid(store, scope, name) is not None:
            return False

        def unless_there(found: Entry | None) -> Entry | None:
            return None if found is not None and store.may_serve(found, scope) else new

        return writes.update(store, scope, name, unless_there) is not None

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        name = self._checked_name(key, version)
        expires = fills.expiry(self._ready(), self._seconds(timeout))
        return self._recast(name, lambda value: value, expires) is not None

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        name = self._checked_name(key, version)
        entry = self._recast(name, lambda value: value + delta, None)
        if entry is None:
            raise ValueError(f"Key '{key}' not found")
        return cast(int, entry.load())

    def incr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        version = self.version if version is None else version
        old, new = self._checked_name(key, version), self._checked_name(key, version + delta)
        store, scope = self._ready(), scopes.current()
        found = self.look_up(old)
        if found is None:
            raise ValueError(f"Key '{key}' not found")
        expires = fills.expiry(store, self._seconds(DEFAULT_TIMEOUT))
        writes.copy(store, scope, found, old, new, expires=expires)
        self.delete(key, version)
        return version + delta

    def _recast(
        self, name: str, compute: Callable[[Any], Any], expires: int | None
    ) -> Entry | None:
        """Replace an entry that may be served by one of the same dependencies."""
        store, scope = self._ready(), scopes.current()

        def recast(found: Entry | None) -> Entry | None:
            if found is None or not store.may_serve(found, scope):
                return None
            until, begun = found.expires if expires is None else expires, found.begun
            return Entry.of(compute(found.load()), begun=begun, expires=until, slots=found.slots)

        overlaid = writes.overlaid(store, scope, name)
        if overlaid is None:
            found = writes.update(store, scope, name, recast)
            if found is None:
                misses.remember(scope, store, name)
            return found
        until = overlaid.expires if expires is None else expires
        entry = Entry.of(compute(overlaid.load()), begun=0, expires=until, slots=overlaid.slots)
        writes.replace_on_commit(store, scope, name, entry)
        return entry

    def delete(self, key: Any, version: int | None = None) -> bool:
        name = self._checked_name(key, version)
        store, scope = self._ready(), scopes.current()
        was_there = self.look_up(name) is not None
        writes.drop_overlaid(store, scope, name)
        misses.forget(scope, store, name)
        self._change(scope, store.key_slot(name))
        store.l1.discard(name)
        store.l2.delete(name)
        return was_there

    def clear(self) -> None:
        store, scope = self._ready(), scopes.current()
        writes.drop_overlaid(store, scope)
        misses.forget_all(scope, store)
        self._change(scope, store.slot)
        store.clear()

    def _change(self, scope: Scope, slot: int) -> None:
        """Change a slot everywhere; what this scope does next depends on it from then on."""
        scope.knows(self._store.table.index(slot), touch((slot,), is_key=True) + 1)

    def upkeep(self) -> None:
        """Free what killed workers hold; the node's agent calls it now and then."""
        self._ready().l2.reader_check()

    def _seconds(self, timeout: Any) -> float | None:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else float(seconds)

    # Filling ----------------------------------------------------------------------------------

    def get_or_set(
        self,
        key: Any,
        default: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        depends_on: Iterable[Name] = (),
        only: Iterable[Name] | None = None,
        serve_stale: bool = False,
        label: str | None = None,
    ) -> Any:
        """Return the key's value, computing it once per machine if need be.

        The entry depends on all that the unit of work has read so far, what ``default()`` reads,
        and ``depends_on``; with ``only``, on just those. ``serve_stale`` gives the old value, for
        up to ``MAX_STALENESS``, to all but the one that computes a new one, and to that one if
        ``default`` raises. ``label`` is the name for traces.
        """
        name = self._checked_name(key, version)
        found = self.look_up(name, label)
        if found is not None:
            return found.load()
        loading = self._loading(name, timeout, depends_on, only, serve_stale, label)
        return loading.run(default if callable(default) else lambda: default)

    def _loading(
        self,
        name: str,
        timeout: Any,
        depends_on: Iterable[Name],
        only: Iterable[Name] | None,
        serve_stale: bool,
        label: str | None,
    ) -> Loading:
        return Loading(
            store=self._ready(),
            options=self._options,
            look_up=self.look_up,
            name=name,
            label=label or name,
            timeout=self._seconds(timeout),
            extra=tuple(depended_on((*depends_on, *(only or ())))),
            only=only is not None,
            serve_stale=serve_stale,
        )
