"""What was read, as slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from nothing_shared.node import slots

__all__ = ["MAX_READ_SLOTS", "Noted", "Used", "read_slots"]

MAX_READ_SLOTS = 16
"""Rows coarsen to their tables past this many slots: each costs every later hit a look."""


class Used(Protocol):
    """An entry that was hit: what it depends on, as places in the change table, and its begin."""

    @property
    def begun(self) -> int: ...
    @property
    def slots(self) -> tuple[int, ...]: ...


class Noted(NamedTuple):
    """What was used, without its value: that a key was not there is something that was read, too."""

    begun: int
    slots: tuple[int, ...]


def read_slots(reads: Mapping[tuple[str, str], set[str] | None]) -> Iterator[int]:
    """Yield the slots of reads; rows coarsen to their tables when there are too many."""
    room = MAX_READ_SLOTS - len(reads)
    for (database, table), keys in sorted(reads.items(), key=lambda item: len(item[1] or ())):
        if keys is None or len(keys) > room:
            yield slots.table(database, table)
            continue
        room -= len(keys)
        yield slots.rows(database, table)
        for key in tuple(keys):  # another thread may be adding to it
            yield slots.row(database, table, key)
