"""AVIF and HEIC: the boxes of a media file that say how large its pictures are."""

from __future__ import annotations

from collections.abc import Iterator

from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.source import Source

__all__ = ["brand_format", "probe_isobmff"]

AVIF = {b"avif", b"avis"}
HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
MAX_BOXES = 2_000
WORKING = 10.0
"""Bytes a pixel: planes of up to 12 bits, and the decoder's own copy of them."""


def brand_format(start: bytes) -> str | None:
    """Return ``avif`` or ``heic`` if the file's first bytes, its ``ftyp`` box, say so."""
    if start[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(start[:4], "big"), len(start))
    brands = {start[8:12], *(start[at : at + 4] for at in range(16, length - 3, 4))}
    return "avif" if brands & AVIF else "heic" if brands & HEIC else None


def probe_isobmff(source: Source, format: str) -> Header:
    """The picture counts as large as the largest part that any of its boxes announces."""
    sizes, budget = [(0, 0)], [MAX_BOXES]
    for name, start, end in _boxes(source, 0, source.size, budget):
        if name == b"meta":
            sizes += _extents(source, start + 4, end, budget)
    width, height = max(side for side, _ in sizes), max(side for _, side in sizes)
    return Header(format, width, height, working=WORKING)


def _extents(source: Source, start: int, end: int, budget: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the sizes in ``meta/iprp/ipco/ispe``."""
    for name, inner, stop in _boxes(source, start, end, budget):
        if name in (b"iprp", b"ipco"):
            yield from _extents(source, inner, stop, budget)
        elif name == b"ispe" and stop - inner >= 12:
            cursor = Cursor(source, start=inner + 4, end=stop)
            yield cursor.number(4), cursor.number(4)


def _boxes(
    source: Source, start: int, end: int, budget: list[int]
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and end of each box; ``budget`` is what all walks may still meet."""
    while end - start >= 8:
        budget[0] -= 1
        if budget[0] < 0:
            raise PictureTooLarge(f"the picture has more than {MAX_BOXES} boxes.")
        cursor = Cursor(source, start=start, end=end)
        length, name = cursor.number(4), cursor.take(4)
        if length == 1:
            length = cursor.number(8)
        elif length == 0:
            length = end - start
        if length < 8 or start + length > end:
            raise CorruptPicture("the picture has a box that is longer than what it is in.")
        yield name, cursor.position, start + length
        start += length
