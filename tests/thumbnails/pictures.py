"""Pictures to draw from, and how to put them where a site would."""

from __future__ import annotations

import io

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import Image

__all__ = ["colour_of", "jpeg", "noise", "upload"]


def jpeg(colour: str = "tomato", size: tuple[int, int] = (640, 480)) -> bytes:
    """Return a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def upload(name: str, data: bytes, *, storage: str = "default") -> str:
    """Put a file in the place of what has its name, as S3 does."""
    place = storages[storage]
    if place.exists(name):
        place.delete(name)
    return place.save(name, ContentFile(data))


def colour_of(data: bytes) -> tuple[int, int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        found = picture.convert("RGB").resize((1, 1)).tobytes()
    return found[0], found[1], found[2]


def noise(size: tuple[int, int]) -> bytes:
    """Return a picture that is as hard to pack as a photograph."""
    file = io.BytesIO()
    small = Image.effect_noise((size[0] // 8, size[1] // 8), 90).convert("RGB")
    small.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()
