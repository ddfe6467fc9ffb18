"""How much one drawing may take: of the source, of memory and of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DEFAULT_LIMITS", "Limits"]

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds of one drawing; what is beyond one of them is refused before it is decoded.

    ``memory`` is what a drawing may add to the process, by estimate. ``seconds`` are wall-clock time, asked
    at every block that a decoder reads and between the steps. ``frame_pixels`` are those of all frames
    of an animation together, whether it is kept or not. ``svg`` is ``"pass"`` where an SVG without scripts
    and references shall be passed by as it is.
    """

    bytes: int = 40 * MIB
    pixels: int = 50_000_000
    side: int = 30_000
    frames: int = 1_000
    frame_pixels: int = 256_000_000
    scans: int = 100
    memory: int = 384 * MIB
    seconds: float = 10.0
    output_pixels: int = 25_000_000
    formats: tuple[str, ...] = ("jpeg", "png", "gif", "webp", "avif", "heic")
    svg: Literal["refuse", "pass"] = "refuse"


DEFAULT_LIMITS = Limits()
