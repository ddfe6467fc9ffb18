"""Read numbers that are not whole bytes long, as codecs write them."""

from __future__ import annotations

from nothing_shared.thumbnails.errors import CorruptPicture

__all__ = ["Bits"]


class Bits:
    """The end of the data is a damaged picture."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise CorruptPicture("a header of the coded picture is truncated.")
        return self._number >> self._left & ((1 << count) - 1)

    def exponential(self) -> int:
        """Return a number in Exp-Golomb code: as many zeros as it has bits, a one, and the bits."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise CorruptPicture("a header of the coded picture has an endless number.")
        return (1 << zeros) - 1 + self.take(zeros)
