"""JPEG: the segments before the first scan, and how many scans there are."""

from __future__ import annotations

import io

from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge, UnsupportedPicture
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.source import Source

__all__ = ["probe_jpeg"]

MAX_SEGMENTS = 2_000
HUFFMAN = (0xC0, 0xC1, 0xC2)
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
START_OF_SCAN = b"\xff\xda"
BLOCK = 256 * 1024


def probe_jpeg(source: Source) -> Header:
    """A scan of a few bytes may cost a pass over all of the picture, so that scans are counted."""
    cursor = Cursor(source, start=2)
    frame: tuple[int, bytes] | None = None
    for _ in range(MAX_SEGMENTS):
        marker = _marker(cursor)
        if marker in STANDALONE:
            continue
        if marker == 0xD9:
            raise CorruptPicture("the JPEG ends before its picture begins.")
        length = cursor.number(2)
        if length < 2:
            raise CorruptPicture("the JPEG has a segment without a length.")
        if marker in FRAMES:
            frame = (marker, cursor.take(length - 2))
        elif marker == 0xDA:
            if frame is None:
                raise CorruptPicture("the JPEG has a scan and no frame.")
            return _header(source, *frame, in_first_scan=cursor.number(1))
        else:
            cursor.skip(length - 2)
    raise PictureTooLarge(f"the JPEG has more than {MAX_SEGMENTS} segments.")


def _marker(cursor: Cursor) -> int:
    """Return the next marker; what stands between segments is passed over, as decoders do."""
    while cursor.number(1) != 0xFF:
        pass
    while (marker := cursor.number(1)) == 0xFF:
        pass
    return marker


def _header(source: Source, marker: int, frame: bytes, in_first_scan: int) -> Header:
    if marker not in HUFFMAN:
        raise UnsupportedPicture("the JPEG is lossless, hierarchical or arithmetic-coded.")
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise CorruptPicture("the JPEG has a frame header that is too short.")
    if frame[0] != 8:
        raise UnsupportedPicture(f"the JPEG has {frame[0]} bits a sample; allowed: 8.")
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if frame[5] not in (1, 3, 4):
        raise UnsupportedPicture(f"the JPEG has {frame[5]} components; allowed: 1, 3, 4.")
    sampling = [(factors >> 4, factors & 15) for factors in frame[7 : 6 + 3 * frame[5] : 3]]
    if not all(1 <= across <= 4 and 1 <= down <= 4 for across, down in sampling):
        raise CorruptPicture("the JPEG has impossible sampling factors.")
    is_buffered = marker == 0xC2 or in_first_scan < frame[5]
    largest = max(a for a, _ in sampling) * max(d for _, d in sampling)
    coefficients = 2 * sum(a * d for a, d in sampling) / largest
    return Header(
        "jpeg", width, height,
        scans=_count(source, START_OF_SCAN) if is_buffered else 1,
        channels=1 if frame[5] == 1 else 4,
        working=coefficients if is_buffered else 0.0,
    )  # fmt: skip


def _count(source: Source, what: bytes) -> int:
    """Count two bytes in the whole file; in coded data a start of scan can't occur."""
    source.seek(0, io.SEEK_SET)
    found, last = 0, b""
    while block := source.read(BLOCK):
        found += (last + block).count(what)
        last = block[-1:]
    return found
