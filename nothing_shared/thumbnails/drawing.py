"""Draw one thumbnail from one source, within limits."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge, UnsupportedPicture
from nothing_shared.thumbnails.limits import DEFAULT_LIMITS, Limits
from nothing_shared.thumbnails.specs import Spec

__all__ = ["CONTENT_TYPES", "Drawn", "draw"]

CONTENT_TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}


@dataclass(frozen=True)
class Drawn:
    """A thumbnail: the whole file, and what to say of it."""

    data: bytes
    content_type: str
    width: int
    height: int


def draw(source: bytes | BinaryIO, spec: Spec, limits: Limits = DEFAULT_LIMITS) -> Drawn:
    """Draw ``source``, the bytes of a picture or a seekable file of them, as ``spec`` says.

    With the format ``auto`` it becomes a JPEG, or a WebP where it is transparent or moves. Raises a
    :class:`~nothing_shared.thumbnails.errors.ThumbnailError`, and nothing else, if it can't be drawn.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        picture: Image.Image = Image.open(file, formats=("JPEG", "PNG", "WEBP", "GIF"))
    except UnidentifiedImageError as failure:
        raise UnsupportedPicture("the source is no JPEG, PNG, WebP or GIF.") from failure
    if picture.width * picture.height > limits.pixels:
        raise PictureTooLarge(f"{picture.size} is more than {limits.pixels} pixels.")
    try:
        picture.load()
    except Exception as failure:
        raise CorruptPicture(f"the source is damaged: {failure}") from failure
    picture = ImageOps.exif_transpose(picture)
    size = spec.output_size(*picture.size)
    if spec.fit == "cover":
        picture = ImageOps.fit(picture.convert("RGB"), size)
    else:
        picture = picture.convert("RGB").resize(size)
    kind = "jpeg" if spec.format == "auto" else spec.format
    buffer = io.BytesIO()
    picture.info.clear()
    picture.save(buffer, kind.upper())
    return Drawn(buffer.getvalue(), CONTENT_TYPES[kind], *size)
