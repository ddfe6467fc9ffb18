"""Get a value or compute it: once per machine, and never believe what raced with a change."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from nothing_shared.cache import fills, misses
from nothing_shared.cache.conf import CacheOptions
from nothing_shared.cache.entry import Entry
from nothing_shared.cache.signals import stale_served
from nothing_shared.cache.store import Store
from nothing_shared.cache.tracing import note
from nothing_shared.causality import scopes
from nothing_shared.causality.unit import Scope

__all__ = ["Loading"]

logger = logging.getLogger("nothing_shared.cache")

_MISSING = object()


@dataclass(frozen=True)
class Loading:
    """One ``get_or_set`` that has missed."""

    store: Store
    options: CacheOptions
    look_up: Callable[[str, str], Entry | None]
    name: str
    label: str
    timeout: float | None
    extra: tuple[int, ...]
    only: bool
    serve_stale: bool

    def run(self, load: Callable[[], Any]) -> Any:
        with self._flight() as leads:
            if not leads:
                value = self._stale("refreshing")
                if value is not _MISSING:
                    return value
            value = self._cached()
            if value is not _MISSING:
                return value
            return self._fill(load)

    async def arun(self, load: Callable[[], Any]) -> Any:
        async with self.store.flights.aflight(self.name, timeout=self._patience()) as leads:
            if not leads:
                value = self._stale("refreshing")
                if value is not _MISSING:
                    return value
            value = self._cached()
            if value is not _MISSING:
                return value
            return await self._afill(load)

    def _flight(self) -> Any:
        return self.store.flights.flight(self.name, timeout=self._patience())

    def _patience(self) -> float:
        """Don't wait for the leader if an old value will do meanwhile."""
        is_stale_at_hand = self.serve_stale and self._find_stale() is not None
        return 0 if is_stale_at_hand else self.options.flight_timeout

    def _cached(self) -> Any:
        entry = self.look_up(self.name, self.label)
        return _MISSING if entry is None else entry.load()

    def _fill(self, load: Callable[[], Any]) -> Any:
        try:
            with self._reading() as (scope, begun):
                value = load()
                entry = self._keep(scope, begun, value)
            scopes.current().use(entry)
            return value
        except Exception as failure:
            value = self._stale_after(failure)
            if value is _MISSING:
                raise
            return value

    async def _afill(self, load: Callable[[], Any | Awaitable[Any]]) -> Any:
        try:
            with self._reading() as (scope, begun):
                value = load()
                if inspect.isawaitable(value):
                    value = await value
                try:
                    entry = self._keep(scope, begun, value)
                except SynchronousOnlyOperation:  # pickling it asks the database
                    entry = await sync_to_async(self._keep)(scope, begun, value)
            scopes.current().use(entry)
            return value
        except Exception as failure:
            value = self._stale_after(failure)
            if value is _MISSING:
                raise
            return value

    @contextmanager
    def _reading(self) -> Iterator[tuple[Scope, int]]:
        """Note when the fill begins; with ``only``, keep its reads from the surrounding scope."""
        outer = scopes.current()
        begun = self.store.table.clock()
        note(outer, self.label, "miss")
        misses.remember(outer, self.store, self.name)
        if not self.only:
            yield outer, begun
            return
        with scopes.scope() as inner:
            inner.serves(outer)
            inner.is_apart = True
            inner.begun, inner.pending = outer.begun, outer.pending
            inner.may_replace = outer.may_replace
            # What it shows may have been read before: it is as old as the first statement, or a hit.
            inner.earliest = min(inner.earliest, outer.earliest)
            yield inner, begun if outer.begun is None else min(begun, outer.begun)

    def _keep(self, scope: Scope, begun: int, value: Any) -> Entry:
        return fills.keep(
            self.store,
            scope,
            self.name,
            value,
            begun=begun,
            expires=fills.expiry(self.store, self.timeout, jitter=self.options.jitter),
            extra=self.extra,
            only=self.only,
        )

    def _find_stale(self) -> Entry | None:
        entry, _ = self.store.find(self.name)
        if entry is None or not self.store.may_serve_stale(entry, scopes.current()):
            return None
        return entry

    def _stale(self, reason: str) -> Any:
        entry = self._find_stale() if self.serve_stale else None
        if entry is None:
            return _MISSING
        scope = scopes.current()
        scope.use_stale(entry)
        note(scope, self.label, "stale", entry.begun)
        stale_served.send_robust(sender=type(self), name=self.name, reason=reason)
        return entry.load()

    def _stale_after(self, failure: Exception) -> Any:
        value = self._stale("error")
        if value is not _MISSING:
            logger.error(
                "computing %r failed: the old value is served", self.label, exc_info=failure
            )
        return value
