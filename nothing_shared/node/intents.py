"""Intents: what a writer is about to change, left where others find it if the writer dies."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from nothing_shared.locks import LockTimeout, MachineLock
from nothing_shared.node import layout, slots
from nothing_shared.node.liveness import is_alive, start_time
from nothing_shared.node.table import ChangeTable

__all__ = ["Intent", "Intents", "Overdue"]

CAPACITY = layout.CELL_WORDS - layout.CELL_SLOTS


class Intent:
    """One cell of the change table, for one write or transaction at a time.

    Slots are only added while it stands, and it is cleared once its change is applied and sent.
    """

    def __init__(self, table: ChangeTable, cell: int) -> None:
        self._table = table
        self._base = layout.INTENTS + cell * layout.CELL_WORDS
        self._noted: set[int] = set()

    def note(self, touched: Iterable[int], *, session: int = 0, database: int = 0) -> None:
        """Add slots; past the cell's capacity the intent is to change everything."""
        new = [slot for slot in dict.fromkeys(touched) if slot not in self._noted]
        if not new:
            return
        words, base, count = self._table.words, self._base, len(self._noted)
        if count == 0:
            words[base + layout.CELL_SESSION] = session
            words[base + layout.CELL_DATABASE] = database
            words[base + layout.CELL_SINCE] = self._table.clock()
        if count + len(new) > CAPACITY:
            new = [slots.EPOCH]
        for offset, slot in enumerate(new, start=min(count, CAPACITY - 1)):
            words[base + layout.CELL_SLOTS + offset] = slot
        self._noted.update(new)
        words[base + layout.CELL_COUNT] = min(len(self._noted), CAPACITY)

    def clear(self) -> None:
        self._table.words[self._base + layout.CELL_COUNT] = 0
        self._noted.clear()

    def hand_over(self, *, is_over: bool = True) -> None:
        """Leave the cell to the agent as a dead writer's; ``is_over`` if its session can't commit now."""
        words = self._table.words
        if words[self._base + layout.CELL_OWNER] == os.getpid():
            if is_over:
                words[self._base + layout.CELL_SESSION] = 0
            words[self._base + layout.CELL_OWNER] = 0
        self._noted.clear()

    def __del__(self) -> None:
        if self._noted:  # a thread that ended, or a connection that was dropped, in a transaction
            self.hand_over()


@dataclass(frozen=True, slots=True)
class Overdue:
    """An intent whose writer is dead, or has taken too long to say what became of it."""

    cell: int
    slots: tuple[int, ...]
    age: int
    is_orphaned: bool
    session: int
    database: int
    since: int

    @property
    def key(self) -> tuple[int, int]:
        """Tell one intent from the next in the same cell."""
        return self.cell, self.since


class Intents:
    """The cells of one process, reused from write to write, and a view of all processes' overdue ones."""

    def __init__(self, table: ChangeTable) -> None:
        self._table = table
        self._idle: list[Intent] = []
        self._lock = threading.Lock()
        # Not the table's own lock: whoever is stopped while it applies keeps nobody from writing.
        self._cells_lock = MachineLock(table.path.with_name("intents.lock"), timeout=0.25)
        self._cells_lock.open()

    def claim(self) -> Intent | None:
        """Take a cell; None if none can be had, so that a crash of this writer would go unnoticed."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return self._claim_free_cell()
        except LockTimeout:  # somebody stopped while claiming: not a reason to refuse a write
            return None

    def give_back(self, intent: Intent) -> None:
        """Clear a cell and keep it for this process's next write."""
        intent.clear()
        with self._lock:
            self._idle.append(intent)

    def _claim_free_cell(self) -> Intent | None:
        words, pid = self._table.words, os.getpid()
        is_alive_now = lru_cache(is_alive)  # one process owns many cells
        with self._cells_lock.held():
            for cell in range(layout.INTENT_CELLS):
                base = layout.INTENTS + cell * layout.CELL_WORDS
                if not words[base + layout.CELL_COUNT] and not self._is_owned(base, is_alive_now):
                    words[base + layout.CELL_STARTED] = start_time(pid)
                    words[base + layout.CELL_OWNER] = pid
                    return Intent(self._table, cell)
        return None

    def _is_owned(self, base: int, is_alive: Callable[[int, int], bool] = is_alive) -> bool:
        owner = self._table.words[base + layout.CELL_OWNER]
        return bool(owner) and is_alive(owner, self._table.words[base + layout.CELL_STARTED])

    def standing(self) -> int:
        """Count the intents that stand now."""
        return sum(map(bool, self._counts()))

    def _counts(self) -> list[int]:
        last = layout.INTENTS + layout.INTENT_CELLS * layout.CELL_WORDS
        first = layout.INTENTS + layout.CELL_COUNT
        return self._table.words[first : last : layout.CELL_WORDS].tolist()

    def overdue(self, patience: int) -> Iterator[Overdue]:
        """Yield the intents of dead writers, and those older than ``patience`` ns."""
        words, now = self._table.words, self._table.clock()
        for cell, count in enumerate(self._counts()):
            if not count:
                continue
            base = layout.INTENTS + cell * layout.CELL_WORDS
            orphaned = not self._is_owned(base)
            since = words[base + layout.CELL_SINCE]
            if orphaned or now - since > patience:
                first = base + layout.CELL_SLOTS
                yield Overdue(
                    cell,
                    tuple(words[first : first + min(count, CAPACITY)]),
                    now - since,
                    orphaned,
                    words[base + layout.CELL_SESSION],
                    words[base + layout.CELL_DATABASE],
                    since,
                )

    def bury(self, overdue: Overdue) -> None:
        """Clear the cell of a dead writer whose change has been applied and sent."""
        base = layout.INTENTS + overdue.cell * layout.CELL_WORDS
        with self._cells_lock.held():
            if not self._is_owned(base):
                self._table.words[base + layout.CELL_COUNT] = 0
                self._table.words[base + layout.CELL_OWNER] = 0
