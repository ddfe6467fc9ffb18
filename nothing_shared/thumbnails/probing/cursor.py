"""Walk through a file's structure without having it in memory."""

from __future__ import annotations

import io

from nothing_shared.thumbnails.errors import CorruptPicture
from nothing_shared.thumbnails.source import Source

__all__ = ["Cursor"]

WINDOW = 16 * 1024


class Cursor:
    """Reads and skips from a window of a few KB; the end of the file is a truncated picture."""

    def __init__(self, source: Source, start: int = 0, end: int | None = None) -> None:
        self._source = source
        self._end = source.size if end is None else min(end, source.size)
        self._base = start
        self._window = b""
        self._at = 0

    @property
    def position(self) -> int:
        return self._base + self._at

    @property
    def left(self) -> int:
        return self._end - self.position

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        if self._at + count > len(self._window):
            self._fill(count)
        taken = self._window[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, count: int, order: str = "big") -> int:
        return int.from_bytes(self.take(count), "little" if order == "little" else "big")

    def skip(self, count: int) -> None:
        if count > self.left:
            raise CorruptPicture("the picture is truncated.")
        self._at += count

    def _fill(self, count: int) -> None:
        if count > self.left:
            raise CorruptPicture("the picture is truncated.")
        self._base, self._at = self.position, 0
        self._source.seek(self._base, io.SEEK_SET)
        self._window = self._source.read(max(WINDOW, count))
        if len(self._window) < count:
            raise CorruptPicture("the picture is truncated.")
