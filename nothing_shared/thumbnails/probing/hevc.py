"""HEVC: how large the frames of a coded picture are, whatever the file around it says.

After ITU-T H.265, sections 7.3.1.2 (NAL unit header) and 7.3.2.2 (sequence parameter set).
"""

from __future__ import annotations

from collections.abc import Iterator

from nothing_shared.thumbnails.errors import CorruptPicture
from nothing_shared.thumbnails.probing.bits import Bits

__all__ = ["configured_sizes", "frame_sizes"]

PARAMETERS = 33
ENOUGH = 256


def configured_sizes(record: bytes) -> Iterator[tuple[int, int]]:
    """Yield the sizes in the parameter sets of a decoder configuration record, an ``hvcC`` box."""
    at, count = 23, record[22] if len(record) > 22 else 0
    for _ in range(count):
        units, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
        for _ in range(units):
            length = int.from_bytes(record[at : at + 2], "big")
            if not length or at + 2 + length > len(record):
                raise CorruptPicture("the HEIC has a damaged decoder configuration.")
            yield from _sizes_of(record[at + 2 : at + 2 + length])
            at += 2 + length


def frame_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the sizes in parameter sets that stand between the coded pictures, lengths of 4 bytes."""
    at = 0
    while len(data) - at > 4:
        length = int.from_bytes(data[at : at + 4], "big")
        if not length or length > len(data) - at - 4:
            raise CorruptPicture("the HEIC has a coded unit that is longer than its item.")
        yield from _sizes_of(data[at + 4 : at + 4 + min(length, ENOUGH)])
        at += 4 + length


def _sizes_of(unit: bytes) -> Iterator[tuple[int, int]]:
    if unit[0] >> 1 & 63 != PARAMETERS:
        return
    bits = Bits(unit[2:ENOUGH].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)
    bits.exponential()
    if bits.exponential() == 3:
        bits.take(1)
    yield bits.exponential(), bits.exponential()
