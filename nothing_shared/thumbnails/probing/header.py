"""What a picture's header claims."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Header"]


@dataclass(frozen=True)
class Header:
    """The claims of a header; a decoder that finds a larger picture is not to be let on.

    ``width`` and ``height`` are as stored, before the picture is turned upright. ``scans`` are the passes
    over the whole picture that its decoding takes, and ``working`` the bytes that a decoder needs for
    each pixel besides those of the result.
    """

    format: str
    width: int
    height: int
    frames: int = 1
    scans: int = 1
    channels: int = 4
    working: float = 0.0

    @property
    def pixels(self) -> int:
        return self.width * self.height
