"""A bounded memory of results by text."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["Memo"]

Result = TypeVar("Result")


class Memo(Generic[Result]):
    """Remembers results by text, the oldest forgotten first, for ``limit`` characters of text."""

    def __init__(self, *, limit: int) -> None:
        self.known: dict[str, Result] = {}
        """Look here; a miss is cheap, and finding takes no lock."""
        self._limit = limit
        self._size = 0
        self._lock = threading.Lock()

    def add(self, text: str, result: Result) -> None:
        """Remember a result, unless its text alone would push out most others."""
        if len(text) > self._limit // 8:
            return
        with self._lock:
            if text not in self.known:
                self._size += len(text)
            self.known[text] = result
            while self._size > self._limit:
                oldest = next(iter(self.known))
                del self.known[oldest]
                self._size -= len(oldest)
