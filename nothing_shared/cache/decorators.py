"""``@cached``: remember what a function returned, for as long as what it read stays as it was."""

from __future__ import annotations

import datetime
import decimal
import functools
import inspect
import uuid
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, ParamSpec, TypeVar, cast

from django.core.cache import caches
from django.db.models import Model

from nothing_shared.cache.backends import MachineCache
from nothing_shared.cache.names import Name

__all__ = ["cached", "machine_cache"]

P = ParamSpec("P")
R = TypeVar("R")

PLAIN = (
    str, bytes, int, float, bool, type(None), decimal.Decimal, uuid.UUID,
    datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


def cached(
    timeout: float | None,
    *,
    key: str | Callable[..., str] | None = None,
    alias: str = "default",
    version: int | None = None,
    depends_on: Iterable[Name] = (),
    only: Iterable[Name] | None = None,
    serve_stale: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Cache a function's result per arguments, sync or async, for ``timeout`` seconds at most.

    The entry depends on all that the unit of work has read before and in the call, and on
    ``depends_on``; with ``only``, on just those. ``key`` is a string, or a function of the same
    arguments that returns one; without it, the arguments must be plain values or model instances.
    See ``MachineCache.get_or_set`` for ``serve_stale``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        options: dict[str, Any] = {
            "version": version,
            "depends_on": tuple(depends_on),
            "only": None if only is None else tuple(only),
            "serve_stale": serve_stale,
        }

        def place(args: Any, kwargs: Any) -> tuple[str, dict[str, Any]]:
            label, name = _names(function, key, args, kwargs)
            return name, {**options, "label": label}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def arun(*args: P.args, **kwargs: P.kwargs) -> Any:
                name, chosen = place(args, kwargs)
                load = functools.partial(function, *args, **kwargs)
                return await machine_cache(alias).aget_or_set(name, load, timeout, **chosen)

            return cast("Callable[P, R]", arun)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            name, chosen = place(args, kwargs)
            load = functools.partial(function, *args, **kwargs)
            return cast(R, machine_cache(alias).get_or_set(name, load, timeout, **chosen))

        return run

    return decorate


def machine_cache(alias: str) -> MachineCache:
    """Return a cache of ours; raises TypeError for any other."""
    cache = caches[alias]
    if not isinstance(cache, MachineCache):
        raise TypeError(
            f"CACHES[{alias!r}] is a {type(cache).__name__}, which doesn't hear changes; allowed: a "
            "cache with BACKEND nothing_shared.cache.backends.MachineCache."
        )
    return cache


def _names(
    function: Callable[..., Any],
    key: str | Callable[..., str] | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[str, str]:
    if key is not None:
        label = key if isinstance(key, str) else key(*args, **kwargs)
        return label, f"cached:{label}"
    bound = [_written(function, arg) for arg in args]
    bound += [f"{name}={_written(function, kwargs[name])}" for name in sorted(kwargs)]
    label = f"{function.__module__}.{function.__qualname__}({', '.join(bound)})"
    digest = blake2b(label.encode(), digest_size=16).hexdigest()
    return label, f"cached:{function.__qualname__}:{digest}"


def _written(function: Callable[..., Any], value: Any) -> str:
    if isinstance(value, Model):
        return f"{value._meta.label}:{value.pk!r}"
    if isinstance(value, PLAIN):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_written(function, item) for item in value)}]"
    raise TypeError(
        f"@cached {function.__qualname__}() can't tell calls with {value!r} apart: pass plain values "
        "or model instances, or say key=lambda …: …."
    )
