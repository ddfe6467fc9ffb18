"""Where a thumbnail's pixels come from: boxes and sizes, without a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nothing_shared.thumbnails.specs import Spec

__all__ = ["Box", "Plan", "Point", "plan", "scale_of", "shrink_of", "stored_box", "upright_size"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Point = tuple[float, float]
"""In percent of the picture, from the left and the top."""

CENTRE: Point = (50.0, 50.0)
SHARPNESS = 2.25
"""Decoded pixels to one of the thumbnail that a JPEG is decoded to at least: 1 is visibly softer, 2 keeps
0.996 of a very fine texture, this 0.997 of everything that was tried."""


@dataclass(frozen=True)
class Plan:
    """Which part of the upright picture is drawn, at what size, and where on the canvas.

    ``ground`` is the colour that is put beneath it; without one, what is transparent stays so.
    """

    box: Box
    size: tuple[int, int]
    canvas: tuple[int, int]
    ground: tuple[int, int, int] | None = None

    @property
    def offset(self) -> tuple[int, int]:
        return (self.canvas[0] - self.size[0]) // 2, (self.canvas[1] - self.size[1]) // 2


def plan(
    spec: Spec,
    width: int,
    height: int,
    *,
    focus: Point | None = None,
    ground: tuple[int, int, int] | None = None,
) -> Plan:
    """Plan a thumbnail of an upright picture of this size; ``focus`` replaces that of the spec.

    The part that is cut out has the proportions of the thumbnail before anything is scaled, so that the
    work is bounded by the pixels of source and thumbnail, whatever the shape of either.
    """
    canvas = spec.output_size(width, height)
    if spec.fit == "cover":
        box = _cover(width, height, canvas, focus or spec.focus or CENTRE)
        return Plan(box, canvas, canvas, ground)
    whole = (0.0, 0.0, float(width), float(height))
    if spec.fit == "pad":
        scale = min(canvas[0] / width, canvas[1] / height)
        scale = scale if spec.may_enlarge else min(1.0, scale)
        inner = (_side(width * scale, canvas[0]), _side(height * scale, canvas[1]))
        return Plan(whole, inner, canvas, ground)
    return Plan(whole, canvas, canvas, ground)


def _side(length: float, most: int) -> int:
    return max(1, min(most, round(length)))


def _cover(width: int, height: int, size: tuple[int, int], focus: Point) -> Box:
    """Return the largest box of these proportions whose centre is as near to the focus as can be.

    It begins at a whole pixel, so that engines that can crop at nothing else draw the same.
    """
    scale = min(width / size[0], height / size[1])
    across, down = min(size[0] * scale, width), min(size[1] * scale, height)
    left = _start(width * focus[0] / 100 - across / 2, width - across)
    top = _start(height * focus[1] / 100 - down / 2, height - down)
    return left, top, left + across, top + down


def _start(wanted: float, most: float) -> float:
    return float(math.floor(min(max(round(wanted), 0), most)))


def scale_of(plan: Plan) -> float:
    """Return how many source pixels there are to one of the thumbnail, the shorter way."""
    left, top, right, bottom = plan.box
    return min((right - left) / plan.size[0], (bottom - top) / plan.size[1])


def shrink_of(scale: float) -> int:
    """Return by how much a JPEG may be shrunk as it is decoded: 1, 2, 4 or 8."""
    return next((shrink for shrink in (8, 4, 2) if scale >= shrink * SHARPNESS), 1)


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation >= 5 else (width, height)


def stored_box(box: Box, width: int, height: int, orientation: int) -> Box:
    """Return where a box of the upright picture is in the stored one, which is this large.

    Orientations are EXIF's: 2 mirrored, 3 turned by 180°, 4 flipped, 5 transposed, 6 to be turned
    clockwise, 7 transversed, 8 to be turned counter-clockwise.
    """
    left, top, right, bottom = box
    mirrored, flipped = (width - right, width - left), (height - bottom, height - top)
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
        mirrored, flipped = (width - right, width - left), (height - bottom, height - top)
    across = mirrored if orientation in (2, 3, 7, 8) else (left, right)
    down = flipped if orientation in (3, 4, 6, 7) else (top, bottom)
    return across[0], down[0], across[1], down[1]
