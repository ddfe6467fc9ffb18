"""Crop and scale with Pillow in one step, with as little memory as the picture's mode allows."""

from __future__ import annotations

import math
from collections.abc import Iterator

from PIL import Image

from nothing_shared.thumbnails.geometry import Box

__all__ = ["scaled"]

GAP = 3.0
"""Pixels to one of the result that averaging leaves to the filter: at 2, more can be seen to be lost."""
SUPPORT = 3.0
"""Of the Lanczos filter, in pixels of the result."""
BAND_PIXELS = 2**18


def scaled(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """Return the box of the image at this size, in a mode that can be filtered: L, RGB, RGBA, CMYK.

    What can't be filtered as it is (palettes, 16 bits, transparency) is converted band by band.
    """
    box = (max(0.0, box[0]), max(0.0, box[1]), min(image.width, box[2]), min(image.height, box[3]))
    if _is_filterable(image):
        if image.size == size and box == (0.0, 0.0, float(size[0]), float(size[1])):
            return image.copy()
        return image.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=GAP)
    across = max(1, int((box[2] - box[0]) / size[0] / GAP))
    down = max(1, int((box[3] - box[1]) / size[1] / GAP))
    outer = _with_margin(image, box, size)
    small = _reduced(image, outer, across, down)
    inner = (
        (box[0] - outer[0]) / across,
        (box[1] - outer[1]) / down,
        min(small.width, (box[2] - outer[0]) / across),
        min(small.height, (box[3] - outer[1]) / down),
    )
    small = small.resize(size, Image.Resampling.LANCZOS, inner)
    return small.convert("RGBA") if small.mode == "RGBa" else small


def _is_filterable(image: Image.Image) -> bool:
    return image.mode in ("L", "RGB", "CMYK") and "transparency" not in image.info


def _with_margin(image: Image.Image, box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box and what of its surroundings the filter looks at, in whole pixels."""
    across, down = (
        SUPPORT * (box[2] - box[0]) / size[0],
        SUPPORT * (box[3] - box[1]) / size[1],
    )
    return (
        max(0, int(box[0] - across)),
        max(0, int(box[1] - down)),
        min(image.width, math.ceil(box[2] + across)),
        min(image.height, math.ceil(box[3] + down)),
    )


def _reduced(
    image: Image.Image, box: tuple[int, int, int, int], across: int, down: int
) -> Image.Image:
    bands = _bands(image, box, across, down)
    first = next(bands)
    size = (first.width, math.ceil((box[3] - box[1]) / down))
    if first.size == size:
        return first
    result = Image.new(first.mode, size)
    result.paste(first, (0, 0))
    top = first.height
    for band in bands:
        result.paste(band, (0, top))
        top += band.height
    return result


def _bands(
    image: Image.Image, box: tuple[int, int, int, int], across: int, down: int
) -> Iterator[Image.Image]:
    left, top, right, bottom = box
    rows = max(1, BAND_PIXELS // (right - left) // down) * down
    for start in range(top, bottom, rows):
        band = _filterable(image.crop((left, start, right, min(start + rows, bottom))))
        yield band.reduce((across, down)) if across > 1 or down > 1 else band


def _filterable(band: Image.Image) -> Image.Image:
    """Return it as L, RGB, CMYK, or RGBa: colours are premultiplied, so that what is hidden stays so."""
    if band.mode.startswith("I"):
        return band.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if band.mode == "1":
        return band.convert("L")
    if "A" in band.mode or "transparency" in band.info:
        return band.convert("RGBA").convert("RGBa")
    return band if band.mode in ("L", "RGB", "CMYK") else band.convert("RGB")
