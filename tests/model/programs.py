"""Requests made up by chance."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from .changes import NAMED, READS, Extent
from .worker import Program

__all__ = ["HABITS", "program"]

HABITS: Mapping[str, float] = {
    "get": 6,
    "read": 2,
    "put": 1,
    "touch": 0.5,
    "scope": 0.5,
    "write": 1,
    "transaction": 1,
    "savepoint": 0.5,
    "rollback": 0.3,
    "snapshot": 0.5,
}
"""Weights of what requests do; the last two are the shares of transactions that do so."""

PLAIN = ("get", "read", "put", "touch", "scope", "write", "transaction")
IN_TRANSACTION = ("get", "read", "put", "touch", "scope", "write", "savepoint")
WRITTEN = ((0,), (1,), (0, 1), (NAMED,), (0, NAMED))
ITEMS = tuple(READS)


def program(random: Random, pages: tuple[str, ...], habits: Mapping[str, float]) -> Program:
    """Make up a request; every other one writes nothing."""
    may_write = random.random() < 0.5
    weights = [habits[kind] if may_write or kind != "write" else 0 for kind in PLAIN]
    operations: Program = []
    for kind in random.choices(PLAIN, weights, k=random.randrange(1, 5)):
        if kind == "transaction":
            operations += _transaction(random, pages, habits, may_write=may_write)
        else:
            operations += _operation(random, kind, pages)
    return operations


def _operation(random: Random, kind: str, pages: tuple[str, ...]) -> Program:
    page, item = random.choice(pages), random.choice(ITEMS)
    if kind == "get":
        return [("get", page)]
    if kind == "read":
        return [("read", item)]
    if kind == "put":
        return [("peek", page), *([("read", item)] if random.random() < 0.5 else []), ("put", page)]
    if kind == "touch":
        return [("touch", page)]
    if kind == "scope":
        return [("scope",)]
    extent = random.choices((Extent.ROW, Extent.TABLE, Extent.EVERYTHING), (12, 6, 1))[0]
    write = ("write", random.choice(WRITTEN), extent)
    if kind == "savepoint":
        return [("savepoint",), write, ("read", item), ("restore",)]
    return [write]


def _transaction(
    random: Random, pages: tuple[str, ...], habits: Mapping[str, float], *, may_write: bool
) -> Program:
    weights = [
        habits[kind] if may_write or kind not in ("write", "savepoint") else 0
        for kind in IN_TRANSACTION
    ]
    operations: Program = [("begin", random.random() < habits["snapshot"])]
    for kind in random.choices(IN_TRANSACTION, weights, k=random.randrange(1, 5)):
        operations += _operation(random, kind, pages)
    operations.append(("rollback",) if random.random() < habits["rollback"] else ("commit",))
    return operations
