"""Which scope is this context's, and where one begins and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connections

from nothing_shared.causality.transactions import in_transaction
from nothing_shared.causality.unit import Scope

__all__ = ["SCOPE", "begin", "current", "scope", "serving"]

SCOPE: ContextVar[Scope | None] = ContextVar("nothing_shared.scope", default=None)


def current() -> Scope:
    """Return the scope of this context, made at its first use."""
    found = SCOPE.get()
    if found is None:
        found = Scope(is_implicit=True)
        SCOPE.set(found)
    return found


def begin() -> Scope:
    """Start a new unit of work in this context, except within the answer to a request."""
    fresh, outer = Scope(), SCOPE.get()
    if outer is not None and outer.is_serving:
        return outer
    if outer is not None and _is_in_transaction(outer):
        fresh.joins(outer)
    SCOPE.set(fresh)
    return fresh


@contextmanager
def serving() -> Iterator[Scope]:
    """Answer a request in the block, which stays the unit of work for what is streamed after it."""
    found = SCOPE.get()
    unit = found if found is not None and found.is_new else begin()
    was_serving, unit.is_serving, unit.is_new = unit.is_serving, True, False
    try:
        yield unit
    finally:
        unit.is_serving = was_serving


@contextmanager
def scope() -> Iterator[Scope]:
    """Run a block as a unit of work of its own: a task of a worker, a round of a loop.

    It must not use what was read outside it, nor a script outside it what was read in it. In a
    transaction that is open outside it begins with that, since it sees what that sees.
    """
    outer = SCOPE.get()
    inner = Scope()
    if outer is not None:
        if _is_in_transaction(outer):
            inner.joins(outer)
        if not outer.is_implicit:
            inner.serves(outer)
    token = SCOPE.set(inner)
    try:
        yield inner
    finally:
        SCOPE.reset(token)
        if outer is not None:
            outer.take_over(inner)


def _is_in_transaction(unit: Scope) -> bool:
    return any(pending.is_alive() for pending in unit.pending) or any(
        map(in_transaction, connections.all(initialized_only=True))
    )
