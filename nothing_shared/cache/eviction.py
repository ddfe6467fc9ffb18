"""Which records L2 gives up: the queues of S3-FIFO, inside one write transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from nothing_shared.cache.hints import MAIN
from nothing_shared.cache.records import SEQUENCE_BYTES, Records

if TYPE_CHECKING:
    from nothing_shared.cache.records import Transaction

__all__ = ["Eviction"]

HEADROOM, LEAST_HEADROOM = 8, 32
"""One part in so many of the map, and so many pages, are left to LMDB: it copies on write, and what
one transaction frees can be used by the next but one.
"""

SLACK = 16
"""Pages that are freed beyond what is needed: records at a queue's head share their pages."""

MOST_SPARED = 64
"""Pages of records that one call copies, at the most, to spare them for having been read."""


class Eviction:
    """Frees pages in one transaction; how many records it copies for that is bounded."""

    def __init__(self, records: Records, txn: Transaction) -> None:
        self.records = records
        self.txn = txn
        self.patience = min(MOST_SPARED, records.pages // 64)

    def make_room(self, pages: int) -> None:
        """Evict until so many pages more are within the budget; mostly, they are already."""
        hints = self.records.hints
        if hints.room < pages:
            headroom = LEAST_HEADROOM + max(self.records.pages // HEADROOM, 3 * pages)
            budget = self.records.pages - headroom
            used = self._used()
            if used + pages > budget:
                goal = budget - pages - min(SLACK, headroom // 4)
                used = self._shrink(goal, limit=goal + headroom // 2)
            hints.room = max(budget - used, pages)
        hints.room -= pages

    def _shrink(self, goal: int, *, limit: int) -> int:
        """Shrink both queues to the goal; above it but within the limit, leave some for next time."""
        used = self._used()
        while used > goal and (self.patience > 0 or used > limit) and self._step():
            used = self._used()
        return used

    def _used(self) -> int:
        small, main = self.records.small, self.records.main
        return self.records.used(self.txn, small) + self.records.used(self.txn, main)

    def _step(self) -> bool:
        """Evict or spare the oldest record of the queue that is too long; False if there is none."""
        small = self.records.used(self.txn, self.records.small)
        queues = (0, MAIN) if small > self.records.hints.share * self.records.pages else (MAIN, 0)
        for queue in queues:
            if head := self._head(queue):
                self._evict_or_spare(head, queue)
                return True
        return False

    def _head(self, queue: int) -> bytes:
        with self.txn.cursor(self.records.main if queue else self.records.small) as cursor:
            return cursor.key() if cursor.first() else b""

    def _evict_or_spare(self, full_key: bytes, queue: int) -> None:
        """Move a record that was read to the end of the main queue; evict one that was not.

        In the main queue, each visit spares it once.
        """
        records, hints = self.records, self.records.hints
        key = full_key[SEQUENCE_BYTES:]
        checksum = crc32(key)
        word = int.from_bytes(full_key[:SEQUENCE_BYTES], "big") | queue
        place = hints.place_of(checksum, word)
        visits = 0 if place is None else hints.visits[place]
        record = records.read(self.txn, word, key) if visits and self.patience > 0 else None
        records.erase(self.txn, word, key)
        if place is None:
            return
        if record is not None and self._can_spare(record):
            moved = MAIN | hints.next_sequence()
            records.write(self.txn, moved, key, record, append=True)
            hints.move(place, moved, visits=visits - 1 if queue else 0)
        else:
            hints.remove(place)
            (hints.main_ghosts if queue else hints.small_ghosts).add(checksum)

    def _can_spare(self, record: bytes) -> bool:
        pages = len(record) // self.records.page + 1
        self.patience -= pages
        return pages <= max(MOST_SPARED, self.records.pages // 64)
