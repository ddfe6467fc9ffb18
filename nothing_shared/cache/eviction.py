"""Which records L2 gives up: the queues of S3-FIFO, inside one write transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from nothing_shared.cache.hints import MAIN
from nothing_shared.cache.records import SEQUENCE_BYTES, Records

if TYPE_CHECKING:
    from nothing_shared.cache.records import Transaction

__all__ = ["Eviction"]

HEADROOM = 8
"""One part in so many of the map is left to LMDB: for copies on write and its list of free pages."""

SLACK = 16
"""Pages that are freed beyond what is needed: records at a queue's head share their pages."""

MOST_SPARED = 64
"""Records that are spared, for having been read, before those are evicted, too."""


class Eviction:
    """Frees pages in one transaction; what it spares and how long that takes is bounded."""

    def __init__(self, records: Records, txn: Transaction) -> None:
        self.records = records
        self.txn = txn
        self.patience = MOST_SPARED

    def make_room(self, pages: int) -> None:
        """Evict until so many pages more are within the budget; mostly, they are already."""
        hints = self.records.hints
        if hints.room < pages:
            budget = self.records.pages - self.records.pages // HEADROOM
            used = self._used()
            if used + pages > budget:
                goal = budget - pages - min(SLACK, budget // 32)
                while used > goal and self._evict():
                    used = self._used()
            hints.room = max(budget - used, pages)
        hints.room -= pages

    def _used(self) -> int:
        small, main = self.records.small, self.records.main
        return self.records.used(self.txn, small) + self.records.used(self.txn, main)

    def _evict(self) -> bool:
        """Evict one record, or more from the small queue if the main one takes them; False if none.

        The main queue's head is spared once for each visit, at its end.
        """
        records = self.records
        small = records.used(self.txn, records.small)
        if small > records.hints.share * records.pages or not self._head(MAIN):
            queues = (0, MAIN)
        else:
            queues = (MAIN, 0)
        for queue in queues:
            while head := self._head(queue):
                if not self._spare(head, queue):
                    return True
        return False

    def _head(self, queue: int) -> bytes:
        with self.txn.cursor(self.records.main if queue else self.records.small) as cursor:
            return cursor.key() if cursor.first() else b""

    def _spare(self, full_key: bytes, queue: int) -> bool:
        """Move a record that was read to the end of the main queue; evict one that was not."""
        records, hints = self.records, self.records.hints
        key = full_key[SEQUENCE_BYTES:]
        checksum = crc32(key)
        word = int.from_bytes(full_key[:SEQUENCE_BYTES], "big") | queue
        place = hints.place_of(checksum, word)
        visits = 0 if place is None else hints.visits[place]
        record = records.read(self.txn, word, key) if visits and self.patience else None
        records.erase(self.txn, word, key)
        if place is None:
            return False
        if record is None:
            hints.forget(place)
            (hints.main_ghosts if queue else hints.small_ghosts).add(checksum)
            return False
        self.patience -= 1
        moved = MAIN | hints.next_sequence()
        records.write(self.txn, moved, key, record, append=True)
        hints.move(place, moved, visits=visits - 1 if queue else 0)
        return True
