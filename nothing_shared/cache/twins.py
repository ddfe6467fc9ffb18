"""The async half of the cache contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.exceptions import SynchronousOnlyOperation

if TYPE_CHECKING:
    from nothing_shared.cache.entry import Entry
    from nothing_shared.cache.loading import Loading
    from nothing_shared.cache.names import Name

__all__ = ["AsyncTwins"]


class AsyncTwins(BaseCache):
    """Calls the sync methods on the event loop: none waits for longer than a lock of this machine.

    Django's own go through a thread each, and 5.2's ``aget_or_set`` goes round an overridden
    ``get_or_set``.
    """

    if TYPE_CHECKING:

        def _checked_name(self, key: Any, version: int | None) -> str: ...

        def look_up(self, name: str, label: str | None = None) -> Entry | None: ...

        def _loading(
            self,
            name: str,
            timeout: Any,
            depends_on: Iterable[Name],
            only: Iterable[Name] | None,
            serve_stale: bool,
            label: str | None,
        ) -> Loading: ...

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self.get(key, default, version)

    async def aset(
        self,
        key: Any,
        value: Any,
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        depends_on: Iterable[Name] = (),
    ) -> None:
        await _pickling(self.set, key, value, timeout, version, depends_on=depends_on)

    async def aadd(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return bool(await _pickling(self.add, key, value, timeout, version))

    async def atouch(
        self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return self.touch(key, timeout, version)

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        return self.delete(key, version)

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        return self.has_key(key, version)

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self.incr(key, delta, version)

    async def aincr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self.incr_version(key, delta, version)

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        return self.get_many(keys, version)

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        for key, value in data.items():
            await self.aset(key, value, timeout, version)
        return []

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        self.delete_many(keys, version)

    async def aclear(self) -> None:
        self.clear()

    async def aget_or_set(
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
        """As :meth:`get_or_set`; ``default`` may be a coroutine function."""
        name = self._checked_name(key, version)
        found = self.look_up(name, label)
        if found is not None:
            return found.load()
        loading = self._loading(name, timeout, depends_on, only, serve_stale, label)
        return await loading.arun(default if callable(default) else lambda: default)


async def _pickling(write: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Pickle on the event loop, or in a thread if that makes a value ask the database."""
    try:
        return write(*args, **kwargs)
    except SynchronousOnlyOperation:
        return await sync_to_async(write)(*args, **kwargs)
