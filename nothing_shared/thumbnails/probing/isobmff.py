"""AVIF and HEIC: the boxes of a media file, and how large the pictures in them really are.

After ISO/IEC 14496-12 (boxes, items) and 23008-12 (HEIF).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge, UnsupportedPicture
from nothing_shared.thumbnails.probing import av1, hevc
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.probing.items import coded_items, item_kinds
from nothing_shared.thumbnails.source import Source

__all__ = ["brand_format", "probe_isobmff"]

AVIF = {b"avif", b"avis"}
HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
MAX_BOXES = 2_000
WORKING = 10.0
"""Bytes a pixel: planes of up to 12 bits, and the decoder's own copy of them."""
MAX_RECORD = 64 * 1024


@dataclass
class Found:
    """What a walk through the boxes has come upon."""

    left: int = MAX_BOXES
    extents: list[tuple[int, int]] = field(default_factory=list)
    coded: list[tuple[int, int]] = field(default_factory=list)
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: tuple[int, int] | None = None
    idat: int = 0


def brand_format(start: bytes) -> str | None:
    """Return ``avif`` or ``heic`` if the file's first bytes, its ``ftyp`` box, say so."""
    if start[4:8] != b"ftyp":
        return None
    length = min(int.from_bytes(start[:4], "big"), len(start))
    brands = {start[8:12], *(start[at : at + 4] for at in range(16, length - 3, 4))}
    return "avif" if brands & AVIF else "heic" if brands & HEIC else None


def probe_isobmff(source: Source, format: str) -> Header:
    """The picture counts as large as the largest part that any box announces.

    A decoder looks at the coded pictures for how large they are, not at the boxes; so this does, too,
    and refuses those that are larger than announced.
    """
    found = Found()
    _walk(source, 0, source.size, found)
    if not found.extents:
        raise CorruptPicture(f"the {format.upper()} doesn't say how large it is.")
    width, height = (max(sides) for sides in zip(*found.extents, strict=True))
    for size in (*found.coded, *_sizes(source, found)):
        if size[0] > _aligned(width) or size[1] > _aligned(height):
            raise CorruptPicture(
                f"the {format.upper()} says that it is {width} x {height} pixels large, and has "
                f"{size[0]} x {size[1]}."
            )
    return Header(format, width, height, working=WORKING)


def _aligned(side: int) -> int:
    """Coded pictures are whole blocks, of at most 64 pixels a side."""
    return (side + 63) // 64 * 64


def _walk(source: Source, start: int, end: int, found: Found) -> None:
    for name, inner, stop in _boxes(source, start, end, found):
        if name == b"moov":
            raise UnsupportedPicture("the picture is a video; allowed: stills of AVIF and HEIC.")
        if name == b"meta":
            _walk(source, inner + 4, stop, found)
        elif name in (b"iprp", b"ipco"):
            _walk(source, inner, stop, found)
        elif name == b"ispe":
            cursor = Cursor(source, start=inner + 4, end=stop)
            found.extents.append((cursor.number(4), cursor.number(4)))
        elif name == b"hvcC":
            record = Cursor(source, start=inner, end=stop).take(min(stop - inner, MAX_RECORD))
            found.coded += hevc.configured_sizes(record)
        elif name == b"iinf":
            found.kinds |= item_kinds(Cursor(source, start=inner, end=stop))
        elif name == b"iloc":
            found.places = inner, stop
        elif name == b"idat":
            found.idat = inner


def _sizes(source: Source, found: Found) -> Iterator[tuple[int, int]]:
    """Yield the sizes that coded items themselves have."""
    if found.places is None:
        return
    for kind, data in coded_items(source, *found.places, found.idat, found.kinds):
        yield from av1.frame_sizes(data) if kind == b"av01" else hevc.frame_sizes(data)


def _boxes(source: Source, start: int, end: int, found: Found) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the first byte and the end of each box."""
    while end - start >= 8:
        found.left -= 1
        if found.left < 0:
            raise PictureTooLarge(f"the picture has more than {MAX_BOXES} boxes.")
        cursor = Cursor(source, start=start, end=end)
        length, name = cursor.number(4), cursor.take(4)
        if length == 1:
            length = cursor.number(8)
        elif length == 0:
            length = end - start
        if length < cursor.position - start or start + length > end:
            raise CorruptPicture("the picture has a box that is longer than what it is in.")
        yield name, cursor.position, start + length
        start += length
