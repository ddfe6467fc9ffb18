"""Find what a picture is about: where its edges and its strong colours are."""

from __future__ import annotations

from collections.abc import Sequence

from nothing_shared.thumbnails.geometry import Point

__all__ = ["SAMPLE_SIDE", "focus_of"]

SAMPLE_SIDE = 64
"""The longer side of the small copy that is looked at."""
CENTRED = 0.4
"""How much less what is at the rim counts than what is in the middle."""


def focus_of(pixels: bytes, width: int, height: int, proportions: float) -> Point:
    """Return the centre of the most telling part of a picture with these proportions, in percent.

    ``pixels`` are RGBA, ``proportions`` the width of the part to its height.
    """
    weights = _weights(pixels, width, height)
    across = min(float(width), height * proportions)
    down = min(float(height), width / proportions)
    columns = [sum(weights[x::width]) for x in range(width)]
    rows = [sum(weights[y * width : (y + 1) * width]) for y in range(height)]
    return (
        100 * _best(columns, max(1, round(across))) / width,
        100 * _best(rows, max(1, round(down))) / height,
    )


def _weights(pixels: bytes, width: int, height: int) -> list[float]:
    """Weigh each pixel: how much it differs from its neighbours, and how colourful it is."""
    light = [
        (2 * pixels[at] + 5 * pixels[at + 1] + pixels[at + 2]) * pixels[at + 3] // 255
        for at in range(0, 4 * width * height, 4)
    ]
    weights = []
    for at, value in enumerate(light):
        right = light[at + 1] if (at + 1) % width else value
        below = light[at + width] if at + width < len(light) else value
        colour = pixels[4 * at : 4 * at + 3]
        edge = (abs(value - right) + abs(value - below)) / 8
        weights.append(edge + (max(colour) - min(colour)) * pixels[4 * at + 3] / 255 / 8)
    return weights


def _best(sums: Sequence[float], length: int) -> float:
    """Return the middle of the window of this length that weighs the most; of equals, the central."""
    places = len(sums) - length
    if places <= 0:
        return len(sums) / 2
    total = sum(sums[:length])
    best, where = -1.0, places / 2
    for start in range(places + 1):
        if start:
            total += sums[start + length - 1] - sums[start - 1]
        off = abs(start - places / 2) / (places / 2)
        weighed = total * (1 - CENTRED * off * off) + 1e-9 * (1 - off)
        if weighed > best:
            best, where = weighed, start
    return where + length / 2
