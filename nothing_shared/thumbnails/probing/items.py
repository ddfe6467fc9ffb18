"""Items of a HEIF file: which there are, and where their data is."""

from __future__ import annotations

from collections.abc import Iterator

from nothing_shared.thumbnails.errors import PictureTooLarge
from nothing_shared.thumbnails.probing.cursor import Cursor
from nothing_shared.thumbnails.source import Source

__all__ = ["coded_items", "item_kinds"]

CODED = {b"av01", b"hvc1", b"hev1"}
MAX_ITEMS = 4_000


def item_kinds(cursor: Cursor) -> dict[int, bytes]:
    """Return the kind of each item, from an ``iinf`` box."""
    version = cursor.number(4) >> 24
    count = _bounded(cursor.number(4 if version else 2))
    kinds = {}
    for _ in range(count):
        end = cursor.position + cursor.number(4)
        cursor.skip(4)
        version = cursor.number(4) >> 24
        if version >= 2:
            number = cursor.number(4 if version > 2 else 2)
            cursor.skip(2)
            kinds[number] = cursor.take(4)
        cursor.skip(max(0, end - cursor.position))
    return kinds


def coded_items(
    source: Source, start: int, end: int, idat: int, kinds: dict[int, bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and data of each item that is a coded picture, from an ``iloc`` box."""
    cursor = Cursor(source, start=start, end=end)
    version = cursor.number(4) >> 24
    sizes = cursor.number(2)
    widths = [sizes >> shift & 15 for shift in (12, 8, 4, 0)]
    read = 0
    for _ in range(_bounded(cursor.number(4 if version == 2 else 2))):
        number = cursor.number(4 if version == 2 else 2)
        is_inside = version > 0 and cursor.number(2) & 15 == 1
        cursor.skip(2)
        base = cursor.number(widths[2]) + (idat if is_inside else 0)
        parts = []
        for _ in range(_bounded(cursor.number(2))):
            cursor.skip(widths[3] if version else 0)
            parts.append((base + cursor.number(widths[0]), cursor.number(widths[1])))
        if kinds.get(number) in CODED:
            read += sum(length for _, length in parts)
            if read > 2 * source.size:
                raise PictureTooLarge("the items of the picture are larger than its file.")
            yield kinds[number], b"".join(_part(source, *part) for part in parts)


def _part(source: Source, start: int, length: int) -> bytes:
    """Return the bytes there; a length of 0 is all to the end of the file."""
    cursor = Cursor(source, start=start)
    return cursor.take(length or max(0, cursor.left))


def _bounded(count: int) -> int:
    if count > MAX_ITEMS:
        raise PictureTooLarge(f"the picture has {count} items; allowed: {MAX_ITEMS}.")
    return count
