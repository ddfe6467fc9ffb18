"""Hints: where in L2's records a name's one is, and how often it was read; shared by all workers.

A hint can be lost but never lies: a record's key holds the whole name, and the records are the truth.
So a reader needs no lock, a writer that is killed between the two loses one entry, and a name is
forgotten by a store of eight bytes, disk full or not.
"""

from __future__ import annotations

import mmap
import os
from hashlib import blake2b
from pathlib import Path

from nothing_shared.cache.entry import MOST_VISITS
from nothing_shared.cache.ghosts import FIRST_SHARE, Ghosts, learned

__all__ = ["MAIN", "SEQUENCE", "TAG_SHIFT", "WORD_SHIFT", "Hints"]

# A hint is one word: 15 bits of the name's checksum, one for the queue, 48 of a sequence number.
WORD_SHIFT = 49
TAG_SHIFT = 32 - (64 - WORD_SHIFT)
MAIN = 1 << (WORD_SHIFT - 1)
SEQUENCE = MAIN - 1

LAYOUT = 0x316C_7232_6C00_0001
PAGE = 4096
LAYOUT_AT, BOOT_AT, SEQUENCE_AT, SHARE_AT, LIVE_AT, ROOM_AT, FRAGMENTED_AT = range(7)

BYTES_PER_HINT = 256
LEAST_HINTS, MOST_HINTS = 1024, 2**24
WHOLE = 2**32


class Hints:
    """Map the file at ``path``, which :meth:`create` has made for as many bytes of records."""

    def __init__(self, path: Path, max_bytes: int, boot: str) -> None:
        count, size = self._count(max_bytes), self.size(max_bytes)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size != size:
                raise ValueError(f"{path} is not of {size} bytes")
            self._words = memoryview(mmap.mmap(fd, size)).cast("Q")
        finally:
            os.close(fd)
        if self._words[LAYOUT_AT] != LAYOUT or self._words[BOOT_AT] != _boot(boot):
            raise ValueError(f"{path} is of another release or boot, or unfinished")
        self._changes: list[tuple[int, int, int]] = []
        first, ghosts = PAGE // 8, count // 8
        self.places = self._words[first : first + count]
        self.mask = count // 2 - 1
        small = first + count
        self.small_ghosts = Ghosts(self._words[small : small + ghosts])
        self.main_ghosts = Ghosts(self._words[small + ghosts : small + 2 * ghosts])
        self.visits = self._words.cast("B")[8 * (small + 2 * ghosts) :]

    @staticmethod
    def _count(max_bytes: int) -> int:
        wanted = min(max(max_bytes // BYTES_PER_HINT, LEAST_HINTS), MOST_HINTS)
        return int(1 << (wanted.bit_length() - 1))

    @classmethod
    def size(cls, max_bytes: int) -> int:
        """Return the bytes of the file: 11 for each hint."""
        return PAGE + cls._count(max_bytes) * (8 + 2 + 1)

    @classmethod
    def create(cls, path: Path, max_bytes: int, boot: str) -> None:
        """Make a new file; it is valid from its last store on."""
        size = cls.size(max_bytes)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # All of it now: a full disk is an error here, and a SIGBUS at a store.
            os.posix_fallocate(fd, 0, size)
            words = memoryview(mmap.mmap(fd, PAGE)).cast("Q")
        finally:
            os.close(fd)
        words[BOOT_AT] = _boot(boot)
        words[SHARE_AT] = int(FIRST_SHARE * WHOLE)
        words[LAYOUT_AT] = LAYOUT

    @property
    def share(self) -> float:
        """What the small queue may take of all pages."""
        return self._words[SHARE_AT] / WHOLE

    @property
    def live(self) -> int:
        """How many hints there are; killed writers leave it off by one each."""
        return self._words[LIVE_AT]

    @property
    def room(self) -> int:
        """How many pages can be filled at least before the queues have to be measured again."""
        return self._words[ROOM_AT]

    @room.setter
    def room(self, pages: int) -> None:
        self._words[ROOM_AT] = pages

    @property
    def is_fragmented(self) -> bool:
        """Whether free pages were hard to find, since the files were made."""
        return bool(self._words[FRAGMENTED_AT])

    @is_fragmented.setter
    def is_fragmented(self, value: bool) -> None:
        self._words[FRAGMENTED_AT] = value

    def next_sequence(self) -> int:
        """Draw a number under the machine's lock."""
        number = self._words[SEQUENCE_AT] = self._words[SEQUENCE_AT] + 1
        return number & SEQUENCE

    def matching(self, checksum: int) -> list[tuple[int, int]]:
        """Return the places that may hint at a name of this checksum, with their words."""
        places, first, tag = self.places, (checksum & self.mask) << 1, checksum >> TAG_SHIFT
        found = []
        for place in (first, first + 1):
            word = places[place]
            if word and word >> WORD_SHIFT == tag:
                found.append((place, word))
        return found

    def add(self, checksum: int, position: int) -> None:
        """Hint at a position: in a free place, or instead of what was read less, or is older."""
        first = (checksum & self.mask) << 1
        place = first if self._worth(first) <= self._worth(first + 1) else first + 1
        self._change(place, _word(checksum, position), 0)

    def _worth(self, place: int) -> tuple[int, int]:
        word = self.places[place]
        return (self.visits[place], word & SEQUENCE) if word else (-1, 0)

    def place_of(self, checksum: int, position: int) -> int | None:
        """Return where this very position is hinted at; nowhere, if newer ones have displaced it."""
        first, word = (checksum & self.mask) << 1, _word(checksum, position)
        return next((place for place in (first, first + 1) if self.places[place] == word), None)

    def move(self, place: int, position: int, *, visits: int) -> None:
        """Hint at where a record has moved to."""
        self._change(place, self.places[place] >> WORD_SHIFT << WORD_SHIFT | position, visits)

    def remove(self, place: int) -> None:
        self._change(place, 0, 0)

    def begin(self) -> None:
        """Remember changes from now on, for :meth:`undo`."""
        self._changes.clear()

    def undo(self) -> None:
        """Take back what was changed since :meth:`begin`: the records were taken back, too."""
        while self._changes:
            self._set(*self._changes.pop())
        self.room = 0

    def _change(self, place: int, word: int, visits: int) -> None:
        self._changes.append((place, self.places[place], self.visits[place]))
        self._set(place, word, visits)

    def _set(self, place: int, word: int, visits: int) -> None:
        change = bool(word) - bool(self.places[place])
        self._words[LIVE_AT] = max(self._words[LIVE_AT] + change, 0)
        self.visits[place] = visits
        self.places[place] = word

    def forget(self, checksum: int) -> bool:
        """Forget, for good and even without the lock, names of this checksum; False if there are none."""
        matching = self.matching(checksum)
        for place, _ in matching:
            self._set(place, 0, 0)
        return bool(matching)

    def forget_all(self) -> None:
        self._changes.clear()
        self.places.cast("B")[:] = bytes(self.places.nbytes)
        self._words[LIVE_AT] = 0

    def visit(self, place: int) -> None:
        """Count a read, without a lock: now and then one is not counted."""
        visits = self.visits[place]
        if visits < MOST_VISITS:
            self.visits[place] = visits + 1

    def was_evicted_lately(self, checksum: int) -> bool:
        """Say whether a missed name was, and learn from it."""
        entries = self.live
        from_small = self.small_ghosts.recall(checksum, entries // 2)
        if not from_small and not self.main_ghosts.recall(checksum, entries // 2):
            return False
        share = learned(self.share, entries, from_small=from_small)
        self._words[SHARE_AT] = int(share * WHOLE)
        return True


def _word(checksum: int, position: int) -> int:
    return checksum >> TAG_SHIFT << WORD_SHIFT | position


def _boot(boot: str) -> int:
    return int.from_bytes(blake2b(boot.encode(), digest_size=8).digest(), "little")
