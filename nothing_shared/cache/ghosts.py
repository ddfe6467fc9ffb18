"""What both tiers know of entries they have evicted, and what they learn from it.

The queues are those of S3-FIFO (Yang et al., SOSP 2023): a small one through which all must pass, a
main one for what was read there, and ghosts. How big the small one is follows from its mistakes, as
in ARC (Megiddo and Modha, FAST 2003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Words = memoryview[int]

__all__ = ["FIRST_SHARE", "Ghosts", "learned"]

FIRST_SHARE = 0.1
LEAST_SHARE = 0.05
MOST_SHARE = 0.9
"""What a tier gives to its small queue, as a part of all its bytes."""

TIME = 2**32 - 1


class Ghosts:
    """Fingerprints of what one queue has evicted lately, in an array of 64-bit words.

    Word 0 counts the evictions; another word holds a fingerprint and the count at which it came.
    Each fingerprint has one place: two that share it forget the older.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        self.places = len(words) - 1

    def add(self, fingerprint: int) -> None:
        """Note that what has this fingerprint (32 bits) was evicted."""
        words = self.words
        now = words[0] = (words[0] + 1) & TIME
        words[1 + fingerprint % self.places] = fingerprint << 32 | now

    def recall(self, fingerprint: int, window: int) -> bool:
        """Say, once, whether it was among the last ``window`` evictions."""
        words = self.words
        place = 1 + fingerprint % self.places
        word = words[place]
        if word >> 32 != fingerprint or (words[0] - word) & TIME >= window:
            return False
        words[place] = 0
        return True


def learned(share: float, entries: int, *, from_small: bool) -> float:
    """Return the small queue's share after a miss of what was evicted lately.

    Evicted from the small queue, it was not given the time to be read again; else the room that the
    main queue had lacked.
    """
    step = 1 / max(entries, 1)
    return min(MOST_SHARE, share + step) if from_small else max(LEAST_SHARE, share - step)
