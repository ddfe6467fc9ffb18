"""Posters for the example events, drawn rather than shipped: the same seed, the same poster."""

from __future__ import annotations

from random import Random

from .canvas import HEIGHT, WIDTH, Canvas
from .palettes import PALETTES
from .styles import STYLES

__all__ = ["HEIGHT", "WIDTH", "draw"]


def draw(seed: str, *, style: str, palette: str) -> bytes:
    """Return a poster of ``WIDTH`` by ``HEIGHT`` pixels as a JPEG."""
    inks = PALETTES[palette]
    canvas = Canvas(inks.night, inks.day)
    STYLES[style](canvas, inks, Random(seed))
    return canvas.printed()
