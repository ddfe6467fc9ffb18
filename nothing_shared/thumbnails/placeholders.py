"""What to show until the thumbnail is there: a colour, and a hash of the blurred picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from nothing_shared.thumbnails import thumbhash
from nothing_shared.thumbnails.drawing import draw_pixels
from nothing_shared.thumbnails.limits import DEFAULT_LIMITS, Limits

__all__ = ["Placeholder", "placeholder"]

SIDE = 32


@dataclass(frozen=True)
class Placeholder:
    """``colour`` is the mean, as ``#rrggbb``; ``hash`` are some 25 bytes, a ThumbHash."""

    colour: str
    hash: bytes

    @property
    def data_url(self) -> str:
        """The blurred picture as the URL of a small PNG."""
        return thumbhash.data_url(self.hash)


def placeholder(
    source: bytes | BinaryIO, limits: Limits = DEFAULT_LIMITS, *, engine: str = "pillow"
) -> Placeholder:
    """Make a placeholder from a source, or faster from a thumbnail of it that shows all of it.

    Raises a :class:`~nothing_shared.thumbnails.errors.ThumbnailError` if it can't be drawn.
    """
    pixels, width, height = draw_pixels(source, SIDE, limits, engine=engine)
    return Placeholder(_mean_colour(pixels), thumbhash.encode(pixels, width, height))


def _mean_colour(pixels: bytes) -> str:
    """Weigh each pixel by how much of it can be seen."""
    alpha = pixels[3::4]
    seen = sum(alpha) or 1
    means = (
        sum(value * part for value, part in zip(pixels[band::4], alpha, strict=True)) // seen
        for band in range(3)
    )
    return "#" + "".join(f"{mean:02x}" for mean in means)
