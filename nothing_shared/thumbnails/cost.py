"""How much memory a drawing will take, told before it begins."""

from __future__ import annotations

from nothing_shared.thumbnails.errors import PictureTooLarge
from nothing_shared.thumbnails.geometry import shrink_of
from nothing_shared.thumbnails.limits import Limits
from nothing_shared.thumbnails.probing import Header

__all__ = ["memory_needed", "refuse_costly"]

READ_WHOLE = ("avif", "heic", "webp")
"""Formats whose decoders take all of the file into memory."""


def memory_needed(header: Header, size: int, scale: float = 1.0) -> int:
    """Estimate the bytes that decoding takes; ``size`` is the file's, ``scale`` as for an engine.

    Usable for admission, too: an estimate of what many drawings at once would take.
    """
    shrink = shrink_of(scale) if header.format == "jpeg" else 1
    decoded = header.pixels * header.channels / shrink**2
    whole = size if header.format in READ_WHOLE else 0
    return int(decoded + header.pixels * header.working + whole)


def refuse_costly(header: Header, size: int, scale: float, limits: Limits) -> None:
    """Raise :class:`PictureTooLarge` if decoding would take more memory than is allowed."""
    needed = memory_needed(header, size, scale)
    if needed > limits.memory:
        raise PictureTooLarge(
            f"a {header.format.upper()} of {header.width} x {header.height} pixels takes about "
            f"{needed >> 20} MB to decode; allowed: {limits.memory >> 20} MB."
        )
