"""A cache whose every synchronous method goes through the asynchronous twin of ``MachineCache``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync

from nothing_shared.cache.backends import MachineCache

__all__ = ["ThroughAsync"]

TWINS = (
    "add",
    "get",
    "set",
    "touch",
    "delete",
    "get_many",
    "get_or_set",
    "has_key",
    "incr",
    "decr",
    "set_many",
    "delete_many",
    "clear",
    "incr_version",
    "decr_version",
)


class ThroughAsync:
    """Stands before a ``MachineCache``; what is not among :data:`TWINS` is that cache's own."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        vars(self)["inner"] = MachineCache(location, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in TWINS:  # a test patches the method that it calls
            super().__setattr__(name, value)
        else:
            setattr(self.inner, name, value)

    def __contains__(self, key: str) -> bool:
        return bool(self.has_key(key))


def through_twin(name: str) -> Callable[..., Any]:
    def method(self: ThroughAsync, *arguments: Any, **options: Any) -> Any:
        return async_to_sync(getattr(self.inner, f"a{name}"))(*arguments, **options)

    return method


def twin(name: str) -> Callable[..., Any]:
    async def method(self: ThroughAsync, *arguments: Any, **options: Any) -> Any:
        return await getattr(self.inner, f"a{name}")(*arguments, **options)

    return method


for name in TWINS:
    setattr(ThroughAsync, name, through_twin(name))
    setattr(ThroughAsync, f"a{name}", twin(name))
