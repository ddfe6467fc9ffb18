"""Ask for the primary: what a block reads is then as new as the database has it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction

from nothing_shared.causality import scopes
from nothing_shared.causality.reader import Reader

__all__ = ["is_asked_for", "use_primary"]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_asked: ContextVar[tuple[tuple[Reader, frozenset[str]], ...]] = ContextVar(
    "nothing_shared.primary", default=()
)
"""Who asked, and for which aliases. A block that never ends, in a dropped generator, asks for nobody else."""


class use_primary:  # noqa: N801  (it reads as a function, as Django's ``override_settings`` does)
    """Read from the primary in a block, a function or a coroutine function; of all databases, or these.

    It nests, and may be used again and by several threads or tasks at once.
    """

    def __init__(self, *aliases: str) -> None:
        self._aliases = frozenset(aliases)

    def __enter__(self) -> None:
        _asked.set((*_asked.get(), (scopes.current().reader, self._aliases)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _asked.set(_asked.get()[:-1])  # no token: it would be one per block, kept in what is shared

    def __call__(self, function: Decorated) -> Decorated:
        if iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with use_primary(*self._aliases):
                    return await function(*args, **kwargs)

            return cast("Decorated", awaited)

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with use_primary(*self._aliases):
                return function(*args, **kwargs)

        return cast("Decorated", called)


def is_asked_for(alias: str) -> bool:
    asked = _asked.get()
    if not asked:
        return False
    reader = scopes.current().reader
    return any(who is reader and (not names or alias in names) for who, names in asked)
