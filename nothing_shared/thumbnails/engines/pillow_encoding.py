"""Write thumbnails with Pillow: pixels only."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Sequence
from typing import Any, BinaryIO

from PIL import Image

from nothing_shared.thumbnails.engines.base import Encoding

__all__ = ["write"]

PROGRESSIVE_FROM = 600
"""The longer side, in pixels, from which a progressive JPEG is smaller and worth its time."""


def write(images: Sequence[Image.Image], durations: Sequence[int], encoding: Encoding) -> bytes:
    for image in images:
        image.info.clear()  # Pillow writes comments, profiles and more from there
    if encoding.format == "rgba":
        return images[0].convert("RGBA").tobytes()
    first, *others = images
    moving: dict[str, Any] = {}
    if others:
        moving = {
            "save_all": True, "append_images": others,
            "duration": list(durations), "loop": encoding.loop,
        }  # fmt: skip
    how = _OPTIONS[encoding.format](first, encoding.quality)
    if encoding.format == "jpeg":
        return _through_a_file(first, how)
    buffer = io.BytesIO()
    first.save(buffer, encoding.format.upper(), exif=b"", icc_profile=None, **how, **moving)
    return buffer.getvalue()


def _through_a_file(image: Image.Image, how: dict[str, Any]) -> bytes:
    """Pillow lets other threads run while it encodes to a file, not while it does to memory."""
    with _nameless_file() as file:
        image.save(file, "JPEG", exif=b"", icc_profile=None, comment=b"", **how)
        file.seek(0)
        return file.read()


def _nameless_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("thumbnail"), "w+b")
    return tempfile.TemporaryFile()


def _jpeg(image: Image.Image, quality: int) -> dict[str, Any]:
    return {
        "quality": quality,
        "optimize": True,
        "progressive": max(image.size) >= PROGRESSIVE_FROM,
    }


def _webp(image: Image.Image, quality: int) -> dict[str, Any]:
    return {"quality": quality, "method": 4, "xmp": b""}


def _avif(image: Image.Image, quality: int) -> dict[str, Any]:
    return {"quality": quality, "speed": 8, "max_threads": 1, "xmp": b""}


def _png(image: Image.Image, quality: int) -> dict[str, Any]:
    return {}


def _gif(image: Image.Image, quality: int) -> dict[str, Any]:
    return {"disposal": 2} if image.mode == "RGBA" else {}


_OPTIONS = {"avif": _avif, "gif": _gif, "jpeg": _jpeg, "png": _png, "webp": _webp}
