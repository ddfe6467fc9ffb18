"""Who a signed-in user is, and may do, without a query: for as long as none of those rows changes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.cache import caches
from django.db import router

from nothing_shared.causality.scopes import scope
from nothing_shared.node import process
from nothing_shared.sessions.conf import session_settings

__all__ = ["CachedModelBackend", "observes_reads"]

TIMEOUT = 3600


@lru_cache(maxsize=32)
def observes_reads(cache: type[Any]) -> bool:
    """Say whether entries of this kind of cache depend on the rows that were read for them."""
    return {"depends_on", "label"} <= inspect.signature(cache.get_or_set).parameters.keys()


class CachedModelBackend(ModelBackend):
    """Django's ``ModelBackend``, whose users and permissions are cached reads.

    What is cached depends on the rows it was read from: a changed password, flag, group or permission
    is seen on the next request, on every node. On a cache that can't know that, nothing is cached.
    """

    def get_user(self, user_id: Any) -> Any:
        ask = super().get_user
        return self._cached(f"user:{user_id}", lambda: ask(user_id))

    async def aget_user(self, user_id: Any) -> Any:
        ask = super().aget_user
        return await self._acached(f"user:{user_id}", lambda: ask(user_id))

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> Any:
        ask = super().get_user_permissions
        if _has_none(user_obj, obj):
            return ask(user_obj, obj)
        return self._cached(_permissions_key("user", user_obj), lambda: ask(user_obj, obj))

    async def aget_user_permissions(self, user_obj: Any, obj: Any = None) -> Any:
        ask = super().aget_user_permissions
        if _has_none(user_obj, obj):
            return await ask(user_obj, obj)
        return await self._acached(_permissions_key("user", user_obj), lambda: ask(user_obj, obj))

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> Any:
        ask = super().get_group_permissions
        if _has_none(user_obj, obj):
            return ask(user_obj, obj)
        return self._cached(_permissions_key("group", user_obj), lambda: ask(user_obj, obj))

    async def aget_group_permissions(self, user_obj: Any, obj: Any = None) -> Any:
        ask = super().aget_group_permissions
        if _has_none(user_obj, obj):
            return await ask(user_obj, obj)
        return await self._acached(_permissions_key("group", user_obj), lambda: ask(user_obj, obj))

    def _cached(self, key: str, ask: Callable[[], Any]) -> Any:
        cache = self._cache()
        if cache is None:
            return ask()
        with scope():  # what this request read before is nothing that a user depends on
            return cache.get_or_set(self._name(key), ask, TIMEOUT, label=key)

    async def _acached(self, key: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        cache = self._cache()
        if cache is None:
            return await ask()
        with scope():
            return await cache.aget_or_set(self._name(key), ask, TIMEOUT, label=key)

    def _cache(self) -> Any:
        alias = session_settings().user_cache
        if alias not in settings.CACHES:
            return None
        cache: Any = caches[alias]
        kind: Any = type(cache)
        # Whatever the cache's own WHEN_PARTITIONED serves: a user may have been shut out meanwhile.
        is_right = observes_reads(kind) and process.current().table.leased()
        return cache if is_right else None

    def _name(self, key: str) -> str:
        model = get_user_model()
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"{kind}:{router.db_for_read(model)}:{model._meta.label_lower}:{quote(key)}"


def _has_none(user: Any, obj: Any) -> bool:
    """Say whether Django answers without a query: nobody has permissions for single objects."""
    return obj is not None or not user.is_active or user.is_anonymous


def _permissions_key(kind: str, user: Any) -> str:
    return f"{kind}-permissions:{'all' if user.is_superuser else 'own'}:{user.pk}"
