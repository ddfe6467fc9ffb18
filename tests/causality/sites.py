"""A database that every thread may connect to, and a look at what a node heard of its changes."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connections

from nothing_shared.node import process, slots
from tests.causality.shop.models import Author, Tag

__all__ = ["ALIAS", "Ear", "connected", "elsewhere", "empty", "make_tables"]

ALIAS = "site"
MODELS = (Author, Tag)

Result = TypeVar("Result")


@contextmanager
def connected(settings: dict[str, Any], *, alias: str = ALIAS) -> Iterator[str]:
    """Make a database known under an alias, to this thread and all others."""
    connections.settings[alias] = {**connections.settings["default"], **settings}
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def make_tables(alias: str = ALIAS) -> None:
    with connections[alias].schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)


def empty() -> None:
    tables = ", ".join(f'"{model._meta.db_table}"' for model in MODELS)
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


def elsewhere(act: Callable[[], Result], *, context: contextvars.Context | None = None) -> Result:
    """Do something in another thread, with a connection and a unit of work of its own."""
    done: list[Result] = []

    def run() -> None:
        try:
            done.append(act())
        finally:
            connections.close_all()

    thread = threading.Thread(target=(context or contextvars.Context()).run, args=(run,))
    thread.start()
    thread.join()
    return done[0]


class Ear:
    """Tells what this node has heard of changes since it was last asked."""

    def __init__(self) -> None:
        self._table = process.current().table
        self._since = self._table.clock()

    def heard(self, *keys: int) -> bool:
        """Say whether the table of authors, or with keys these very rows, changed or all did."""
        named = [slots.row(ALIAS, "shop_author", key) for key in keys]
        places = self._table.indexes(named or [slots.table(ALIAS, "shop_author")])
        since, self._since = self._since, self._table.clock()
        return not self._table.fresh(since, places)

    def heard_all_rows(self) -> bool:
        place = self._table.index(slots.rows(ALIAS, "shop_author"))
        return self._table.changed[place] >= self._since
