"""The file a thumbnail is drawn from: every read is counted, bounded and timed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import BinaryIO

from nothing_shared.thumbnails.errors import DrawingTooSlow, PictureTooLarge
from nothing_shared.thumbnails.limits import Limits

__all__ = ["Source"]

Clock = Callable[[], float]


class Source(io.RawIOBase):
    """A readable, seekable file that raises once it has been read from for too long.

    Decoders read in blocks, so that each of their blocks is a moment to stop them. Closing it leaves the
    file beneath open.
    """

    def __init__(
        self, given: bytes | BinaryIO, limits: Limits, clock: Clock = time.monotonic
    ) -> None:
        super().__init__()
        self.limits = limits
        self._clock = clock
        self._deadline = clock() + limits.seconds
        self._file = _seekable(given, limits)
        self.size = self._file.seek(0, io.SEEK_END) or self._file.tell()
        if self.size > limits.bytes:
            raise PictureTooLarge(
                f"the source has {self.size} bytes; allowed: at most {limits.bytes}."
            )
        self._file.seek(0)

    def check_time(self) -> None:
        """Raise :class:`DrawingTooSlow` if the seconds are used up."""
        if self._clock() > self._deadline:
            raise DrawingTooSlow(f"not drawn within {self.limits.seconds:g} seconds.")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        self.check_time()
        return self._file.read(self.size if size is None or size < 0 else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence) or self._file.tell()

    def tell(self) -> int:
        return self._file.tell()


def _seekable(given: bytes | BinaryIO, limits: Limits) -> BinaryIO:
    """Take what can't seek into memory, one byte beyond the limit at the most."""
    if isinstance(given, bytes):
        return io.BytesIO(given)
    if given.seekable():
        return given
    return io.BytesIO(given.read(limits.bytes + 1))
