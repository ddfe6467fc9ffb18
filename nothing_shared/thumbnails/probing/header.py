"""What a picture's header claims."""

from __future__ import annotations

from dataclasses import dataclass

from nothing_shared.thumbnails.errors import CorruptPicture

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

    def check_size(self, width: int, height: int) -> None:
        """Raise :class:`CorruptPicture` if a decoder found a larger picture than this claims.

        Some decoders turn AVIF and HEIC upright by themselves.
        """
        found, claimed = (width, height), (self.width, self.height)
        if self.format in ("avif", "heic"):
            found, claimed = (min(found), max(found)), (min(claimed), max(claimed))
        if found[0] > claimed[0] or found[1] > claimed[1]:
            raise CorruptPicture(
                f"the picture has {width} x {height} pixels, and its header claims "
                f"{self.width} x {self.height}."
            )
