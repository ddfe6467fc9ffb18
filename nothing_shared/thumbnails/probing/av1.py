"""AV1: how large the frames of a coded picture may be, whatever the file around it says.

After the AV1 Bitstream & Decoding Process Specification, sections 5.3 (OBU) and 5.5 (sequence header).
"""

from __future__ import annotations

from collections.abc import Iterator

from nothing_shared.thumbnails.errors import CorruptPicture
from nothing_shared.thumbnails.probing.bits import Bits

__all__ = ["frame_sizes"]

SEQUENCE_HEADER = 1
ENOUGH = 128
"""Bytes of a sequence header; with 32 operating points they come to less."""


def frame_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the largest size that each sequence header in the data allows a frame to have."""
    at = 0
    while at < len(data):
        kind, has_extension, has_size = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + has_extension
        size, at = _leb128(data, at) if has_size else (len(data) - at, at)
        if size > len(data) - at:
            raise CorruptPicture("the AVIF has a coded unit that is longer than its item.")
        if kind == SEQUENCE_HEADER:
            yield _largest_frame(Bits(data[at : at + min(size, ENOUGH)]))
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * number
        if not byte & 0x80:
            return value, at + number + 1
    raise CorruptPicture("the AVIF has a coded unit without a length.")


def _largest_frame(bits: Bits) -> tuple[int, int]:
    bits.take(4)  # profile, still picture
    if bits.take(1):
        bits.take(5)
    else:
        _operating_points(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _operating_points(bits: Bits) -> None:
    """Read over what a sequence header says of time, buffers and layers."""
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            bits.exponential()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    has_display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_display_delay and bits.take(1):
            bits.take(4)
