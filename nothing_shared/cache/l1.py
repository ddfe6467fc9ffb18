"""L1: a worker's own tier, a dictionary with a byte bound that a scan does not wash out."""

from __future__ import annotations

import threading
from collections import OrderedDict

from nothing_shared.cache.entry import MOST_VISITS, Entry
from nothing_shared.cache.ghosts import FIRST_SHARE, Ghosts, learned

__all__ = ["L1"]

PATIENCE = 1.0
FIRST_GHOSTS = 1024
LONG = 10**9
"""Nanoseconds between replacements that make it worth to ask again whether a value can be copied."""

Queue = OrderedDict[str, int]
"""Names with what they cost, oldest first."""


class L1:
    """Keep the entries that pay most for their bytes; never more than ``max_bytes`` of them.

    A reader takes ``entries.get(name)`` without a lock, and calls ``visit`` while ``entry.frequency`` is
    less than ``MOST_VISITS``. An entry of over a quarter of the bound is refused.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._most = max_bytes // 4
        self._most_grown = max_bytes // 8
        """Bytes that values may take beyond what is packed."""
        self.entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._empty()

    def _empty(self) -> None:
        self.entries.clear()
        self.bytes = self._small_bytes = 0
        self._small: Queue = OrderedDict()
        self._main: Queue = OrderedDict()
        self._grown: dict[str, int] = {}
        self._grown_bytes = 0
        self._too_little = 0
        """Room in which the last value had no place: the next one is not even looked at."""
        self._share = FIRST_SHARE
        self._has_evicted = False
        self._remember(FIRST_GHOSTS)

    def _remember(self, places: int) -> None:
        self._places = places
        self._small_ghosts = Ghosts(memoryview(bytearray(8 * (places + 1))).cast("Q"))
        self._main_ghosts = Ghosts(memoryview(bytearray(8 * (places + 1))).cast("Q"))

    def __len__(self) -> int:
        return len(self.entries)

    @staticmethod
    def cost(name: str, entry: Entry) -> int:
        """Return the bytes that an entry counts for."""
        return entry.size + len(name)

    def put(self, name: str, entry: Entry) -> bool:
        """Store an entry, evicting others; False if it is refused, and then the old one is gone."""
        cost = entry.size + len(name)
        if cost > self._most:
            self.discard(name)
            return False
        lock = self._lock
        if not lock.acquire(False) and not self._acquire():
            self.entries.pop(name, None)
            return False
        try:
            small = self._small
            if self._has_evicted or name in small or self.bytes + cost > self.max_bytes:
                while self.bytes + cost > self.max_bytes and not self._can_replace(name, cost):
                    self._evict()
                self._insert(name, entry, cost)
            else:  # as _insert does where there is nothing to look for
                self._small_bytes += cost
                self.bytes += cost
                small[name] = cost
                self.entries[name] = entry
                if len(self.entries) > self._places:
                    self._remember(2 * len(self.entries))
        finally:
            lock.release()
        return True

    def visit(self, name: str, entry: Entry) -> bool:
        """Count a read; what is read often need not be unpacked any more. True: it is here."""
        if entry.frequency < MOST_VISITS:
            entry.frequency += 1
            if entry.frequency == MOST_VISITS and entry.packed and not entry.is_looked_at:
                self._settle(name, entry)
        return True

    def _settle(self, name: str, entry: Entry) -> None:
        """Let an entry hold its value instead of bytes, unless others would have to go for that."""
        if self._room() <= self._too_little:
            return
        try:
            found = entry.look()
        except Exception:  # it can't be unpacked: whoever reads it is told
            return
        if found is None or not self._acquire():
            return
        try:
            queue = self._small if name in self._small else self._main
            grown, room = found.size - entry.size, self._room()
            if grown > room:
                self._too_little = max(self._too_little, room)
            elif self.entries.get(name) is entry and name in queue and entry.packed is not None:
                queue[name] += grown
                self.bytes += grown
                self._small_bytes += grown if queue is self._small else 0
                self._grown[name] = grown
                self._grown_bytes += grown
                entry.keep(found)
        finally:
            self._lock.release()

    def _room(self) -> int:
        """Return the bytes by which values may grow."""
        return min(self.max_bytes - self.bytes, self._most_grown - self._grown_bytes)

    def discard(self, name: str) -> bool:
        """Remove an entry; False if there is none."""
        found = self.entries.pop(name, None) is not None
        if self._acquire():
            try:
                if name not in self.entries:  # nobody has put it again meanwhile
                    self._unqueue(name)
            finally:
                self._lock.release()
        return found

    def clear(self) -> None:
        self.entries.clear()
        if self._acquire():
            try:
                self._empty()
            finally:
                self._lock.release()

    def reset_locks(self) -> None:
        """Call in a forked child, where a thread that held the lock is gone."""
        was_torn = self._lock.locked()
        self._lock = threading.Lock()
        if was_torn:
            self._empty()

    def _acquire(self) -> bool:
        # Bounded: a destructor that the garbage collector runs amid a put may come here again.
        return self._lock.acquire(timeout=PATIENCE)

    def _can_replace(self, name: str, cost: int) -> bool:
        held = self._small.get(name) or self._main.get(name) or 0
        return self.bytes + cost - held <= self.max_bytes

    def _shrink(self, name: str) -> None:
        """Note that an entry is not here any more, or is another one now."""
        if name in self._grown:
            self._grown_bytes -= self._grown.pop(name)
            self._too_little = 0

    def _unqueue(self, name: str) -> None:
        self._shrink(name)
        cost = self._small.pop(name, 0)
        self._small_bytes -= cost
        self.bytes -= cost or self._main.pop(name, 0)

    def _insert(self, name: str, entry: Entry, cost: int) -> None:
        self._shrink(name)
        entries, small = self.entries, self._small
        if name in self._main or (
            self._has_evicted and name not in small and self._was_missed(name)
        ):
            self.bytes += cost - self._main.get(name, 0)
            self._main[name] = cost
        else:
            grown = cost - small.get(name, 0)
            self._small_bytes += grown
            self.bytes += grown
            small[name] = cost
        old = entries.get(name)
        if old is not None:
            entry.frequency = old.frequency
            if entry.begun - old.begun > LONG:  # to be looked at once more, should it be read often
                entry.frequency = min(old.frequency, 1)
        entries[name] = entry
        if len(entries) > self._places:
            self._remember(2 * len(entries))

    def _was_missed(self, name: str) -> bool:
        fingerprint, window = hash(name) & 0xFFFFFFFF, len(self.entries) // 2
        from_small = self._small_ghosts.recall(fingerprint, window)
        if not from_small and not self._main_ghosts.recall(fingerprint, window):
            return False
        self._share = learned(self._share, len(self.entries), from_small=from_small)
        return True

    def _evict(self) -> None:
        self._has_evicted = True
        is_small_spared = self._main and self._small_bytes <= self._share * self.max_bytes
        if is_small_spared or not self._evict_from_small():
            self._evict_from_main()

    def _evict_from_small(self) -> bool:
        while self._small:
            name, cost = self._small.popitem(False)
            self._small_bytes -= cost
            entry = self.entries.get(name)
            if entry is None or not entry.frequency:
                self._forget(name, cost, self._small_ghosts)
                return True
            entry.frequency = 0
            self._main[name] = cost
        return False

    def _evict_from_main(self) -> None:
        while self._main:
            name, cost = self._main.popitem(False)
            entry = self.entries.get(name)
            if entry is None or not entry.frequency:
                self._forget(name, cost, self._main_ghosts)
                return
            entry.frequency -= 1
            self._main[name] = cost

    def _forget(self, name: str, cost: int, ghosts: Ghosts) -> None:
        self.entries.pop(name, None)
        self._shrink(name)
        self.bytes -= cost
        ghosts.add(hash(name) & 0xFFFFFFFF)
