"""WebP: the canvas, and how many frames it has."""

from __future__ import annotations

from nothing_shared.thumbnails.errors import CorruptPicture
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.source import Source

__all__ = ["probe_webp"]

WORKING = 8.0
"""Bytes a pixel: libwebp's animation decoder, which Pillow always uses, has two canvases."""


def probe_webp(source: Source) -> Header:
    cursor = Cursor(source, start=4)
    if cursor.number(4, "little") + 8 > source.size:
        raise CorruptPicture("the WebP is truncated.")
    cursor.skip(4)
    name = cursor.take(4)
    length = cursor.number(4, "little")
    body = Cursor(source, start=cursor.position)
    width, height = _size(name, body)
    frames = _frames(cursor, length, source.limits.frames) if name == b"VP8X" else 1
    return Header("webp", width, height, max(1, frames), working=WORKING)


def _size(name: bytes, body: Cursor) -> tuple[int, int]:
    if name == b"VP8X":
        body.skip(4)
        return body.number(3, "little") + 1, body.number(3, "little") + 1
    if name == b"VP8L" and body.number(1) == 0x2F:
        bits = body.number(4, "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        body.skip(3)
        if body.take(3) == b"\x9d\x01\x2a":
            return body.number(2, "little") & 0x3FFF, body.number(2, "little") & 0x3FFF
    raise CorruptPicture("the WebP has no picture at its beginning.")


def _frames(cursor: Cursor, length: int, most: int) -> int:
    """Count the frames, from within the first chunk; one beyond the limit is enough."""
    frames = 0
    while cursor.left >= length + (length & 1) + 8 and frames <= most:
        cursor.skip(length + (length & 1))
        name, length = cursor.take(4), cursor.number(4, "little")
        frames += name == b"ANMF"
    return frames
