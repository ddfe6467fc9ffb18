"""Tell which server executed each statement, whatever stands between a site and its driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import psycopg

__all__ = ["Statement", "install", "spying"]

Statement = tuple[int, str]
"""The port of the server, as the client calls it, and the text."""

heard: ContextVar[list[Statement] | None] = ContextVar("heard", default=None)


@contextmanager
def spying() -> Iterator[list[Statement]]:
    """Hear the statements of this context, and of those copied from it, in order."""
    statements: list[Statement] = []
    token = heard.set(statements)
    try:
        yield statements
    finally:
        heard.reset(token)


def install() -> None:
    """Make psycopg tell, in this process, from now on."""
    for cursor in (psycopg.Cursor, psycopg.ServerCursor):
        for name in ("execute", "executemany"):
            if name in vars(cursor):
                setattr(cursor, name, telling(getattr(cursor, name)))


def telling(execute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(execute)
    def tell(self: psycopg.Cursor[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        statements = heard.get()
        if statements is not None:
            text = query if isinstance(query, str) else str(query)
            statements.append((self.connection.info.port, text))
        return execute(self, query, *arguments, **options)

    return tell
