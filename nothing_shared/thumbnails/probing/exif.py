"""EXIF: how a picture is turned, and nothing else of it."""

from __future__ import annotations

__all__ = ["orientation_of"]

ORIENTATION = 0x0112
SHORT = 3
MAX_ENTRIES = 512


def orientation_of(block: object) -> int:
    """Return 1 to 8; what can't be read is upright. Nothing is followed that points elsewhere."""
    if not isinstance(block, bytes):
        return 1
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(block[:4])
    if order is None:
        return 1

    def number(at: int, count: int) -> int:
        return int.from_bytes(block[at : at + count], "little" if order == "little" else "big")

    start = number(4, 4)
    for at in range(start + 2, start + 2 + 12 * min(number(start, 2), MAX_ENTRIES), 12):
        if number(at, 2) == ORIENTATION:
            found = number(at + 8, 2 if number(at + 2, 2) == SHORT else 4)
            return found if 1 <= found <= 8 else 1
    return 1
