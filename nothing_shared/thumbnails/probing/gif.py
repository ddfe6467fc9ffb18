"""GIF: the screen, and every frame of it."""

from __future__ import annotations

from nothing_shared.thumbnails.errors import CorruptPicture
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.source import Source

__all__ = ["probe_gif"]

EXTENSION, FRAME, TRAILER = 0x21, 0x2C, 0x3B
ANIMATED = 12.0
"""Bytes a pixel that putting frames on each other takes."""


def probe_gif(source: Source) -> Header:
    """Count frames up to one beyond the limit; a frame may be larger than the screen says."""
    cursor = Cursor(source, start=6)
    width, height = cursor.number(2, "little"), cursor.number(2, "little")
    _skip_colours(cursor, cursor.number(1), after=2)
    frames = 0
    while frames <= source.limits.frames and cursor.left:
        kind = cursor.number(1)
        if kind == TRAILER:
            break
        if kind == FRAME:
            left, top, across, down = (cursor.number(2, "little") for _ in range(4))
            width, height = max(width, left + across), max(height, top + down)
            _skip_colours(cursor, cursor.number(1), after=1)
            frames += 1
        elif kind == EXTENSION:
            cursor.skip(1)
        else:
            raise CorruptPicture(f"the GIF has an unknown block {kind:#x}.")
        while length := cursor.number(1):
            cursor.skip(length)
    if not frames:
        raise CorruptPicture("the GIF has no frame.")
    return Header("gif", width, height, frames, channels=4, working=ANIMATED if frames > 1 else 0.0)


def _skip_colours(cursor: Cursor, flags: int, after: int) -> None:
    """Skip a colour table, if the flags announce one, and the bytes next to it."""
    cursor.skip(after + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0))
