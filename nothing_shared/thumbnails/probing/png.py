"""PNG and APNG: the header, and the chunks before the pixels."""

from __future__ import annotations

from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.source import Source

__all__ = ["probe_png"]

MAX_CHUNKS = 1_000
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def probe_png(source: Source) -> Header:
    cursor = Cursor(source, start=8)
    if cursor.number(4) != 13 or cursor.take(4) != b"IHDR":
        raise CorruptPicture("the PNG does not begin with its header.")
    width, height, depth, kind = (cursor.number(n) for n in (4, 4, 1, 1))
    if depth not in DEPTHS.get(kind, ()):
        raise CorruptPicture(f"the PNG has the impossible colour type {kind} of {depth} bits.")
    cursor.skip(3 + 4)
    frames = _frames(cursor)
    return Header("png", width, height, frames, channels=1 if SAMPLES[kind] == 1 else 4)


def _frames(cursor: Cursor) -> int:
    frames = 1
    for _ in range(MAX_CHUNKS):
        length, name = cursor.number(4), cursor.take(4)
        if name == b"IDAT":
            return frames
        if name in (b"IHDR", b"IEND"):
            raise CorruptPicture("the PNG has no pixels, or a second header.")
        if name == b"acTL" and length == 8:
            frames = max(1, cursor.number(4))
            length = 4
        cursor.skip(length + 4)
    raise PictureTooLarge(f"the PNG has more than {MAX_CHUNKS} chunks before its pixels.")
