"""What every engine does: four methods, from a source to the bytes of a thumbnail.

An engine decodes, scales and encodes; which part of the picture, at which size, and whether at all, is
decided before it is asked. Guarantees of every engine:

- It looks at no format but the one that the header was found to have, and lets no picture in that is
  larger than the header claims.
- What it renders is upright, in sRGB, of 8 bits a sample; what it encodes has pixels and nothing else: no
  EXIF, XMP, IPTC, comment or colour profile.
- It leaves no trace in the settings of the library that it stands on, so that any number of threads may
  use it beside others who use that library.
- It raises a ``ThumbnailError`` for whatever is wrong with the source, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nothing_shared.thumbnails.geometry import Plan
from nothing_shared.thumbnails.probing import Header
from nothing_shared.thumbnails.source import Source

__all__ = ["Encoding", "Engine", "Frame", "Picture", "Rendered"]


@dataclass(frozen=True)
class Picture:
    """An opened source, nothing of it decoded; ``width`` and ``height`` are as stored."""

    handle: Any
    source: Source
    header: Header
    width: int
    height: int
    orientation: int = 1
    frames: int = 1
    loop: int = 0


@dataclass(frozen=True)
class Frame:
    """One decoded frame, perhaps smaller than the picture: ``across`` and ``down`` say how much."""

    handle: Any
    picture: Picture
    across: float = 1.0
    down: float = 1.0
    duration: int = 100
    """Milliseconds."""


@dataclass(frozen=True)
class Rendered:
    """A thumbnail's pixels."""

    handle: Any
    has_alpha: bool
    duration: int = 100


@dataclass(frozen=True)
class Encoding:
    """How to write a thumbnail; ``rgba`` is four plain bytes a pixel."""

    format: str
    quality: int
    loop: int = 0


class Engine(Protocol):
    def open(self, source: Source, header: Header) -> Picture: ...

    def frames(self, picture: Picture, scale: float, count: int) -> Iterator[Frame]:
        """Decode up to ``count`` frames, each valid until the next; ``scale`` source pixels make one."""
        ...

    def render(self, frame: Frame, plan: Plan) -> Rendered: ...

    def encode(self, frames: Sequence[Rendered], encoding: Encoding) -> bytes:
        """Write one frame, or all of an animation."""
        ...
