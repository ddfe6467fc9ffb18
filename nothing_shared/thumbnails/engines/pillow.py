"""Pillow as the engine: decode at the smallest scale that is good enough, filter once, strip all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

try:
    from PIL import Image
except ImportError as failure:
    raise ImportError(
        "thumbnails are drawn by Pillow: pip install 'nothing-shared[thumbnails]'"
    ) from failure

from nothing_shared.thumbnails.engines.base import Encoding, Frame, Picture, Rendered
from nothing_shared.thumbnails.engines.pillow_colours import flattened, opaque, to_srgb
from nothing_shared.thumbnails.engines.pillow_encoding import write
from nothing_shared.thumbnails.engines.pillow_scaling import scaled
from nothing_shared.thumbnails.errors import (
    CorruptPicture,
    OutOfMemory,
    ThumbnailError,
    UnsupportedPicture,
)
from nothing_shared.thumbnails.geometry import Plan, shrink_of, stored_box
from nothing_shared.thumbnails.probing import Header
from nothing_shared.thumbnails.probing.exif import orientation_of
from nothing_shared.thumbnails.source import Source

__all__ = ["PillowEngine"]

READERS = {
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
EXTRAS = {"heic": "heic"}

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PillowEngine:
    def open(self, source: Source, header: Header) -> Picture:
        reader = _reader(header.format)
        source.seek(0)
        with _judged(header.format):
            image = reader(source)
            header.check_size(*image.size)
            frames = image.n_frames if header.format in ("avif", "heic") else header.frames
            loop = image.info.get("loop", 0)
            width, height = image.size
            return Picture(
                image, source, header, width, height, _orientation(image, header.format), frames,
                loop if isinstance(loop, int) else 0,
            )  # fmt: skip

    def frames(self, picture: Picture, scale: float, count: int) -> Iterator[Frame]:
        image, header = picture.handle, picture.header
        across = down = 1.0
        if header.format == "jpeg":
            across, down = _draft(image, scale)
        for number in range(count):
            picture.source.check_time()
            with _judged(header.format):
                if number:
                    try:
                        image.seek(number)
                    except EOFError:
                        return
                image.load()
                header.check_size(*image.size)
                duration = image.info.get("duration", 100)
            duration = int(duration) if isinstance(duration, (int, float)) else 100
            yield Frame(image, picture, across, down, duration)

    def render(self, frame: Frame, plan: Plan) -> Rendered:
        picture = frame.picture
        turned = picture.orientation
        box = stored_box(plan.box, picture.width, picture.height, turned)
        box = (
            box[0] * frame.across,
            box[1] * frame.down,
            box[2] * frame.across,
            box[3] * frame.down,
        )
        size = plan.size[::-1] if turned >= 5 else plan.size
        with _judged(picture.header.format):
            image = scaled(frame.handle, box, size)
            if turned in TURNS:
                image = image.transpose(TURNS[turned])
            image = to_srgb(image, frame.handle.info.get("icc_profile"))
            image = _on_canvas(opaque(image), plan)
        return Rendered(image, image.mode == "RGBA", frame.duration)

    def encode(self, frames: Sequence[Rendered], encoding: Encoding) -> bytes:
        images = [frame.handle for frame in frames]
        try:
            return write(images, [frame.duration for frame in frames], encoding)
        except MemoryError as failure:
            raise OutOfMemory("there is no memory to encode the thumbnail in.") from failure


def _on_canvas(image: Image.Image, plan: Plan) -> Image.Image:
    if plan.ground is not None:
        image = flattened(image, plan.ground)
    if plan.canvas == image.size:
        return image
    if plan.ground is None:
        canvas = Image.new("RGBA", plan.canvas, (255, 255, 255, 0))
    else:
        canvas = Image.new("RGB", plan.canvas, plan.ground)
    canvas.paste(image, plan.offset)
    return canvas


def _reader(format: str) -> Any:
    """Return the class that reads the format; asking for it by name leaves Pillow's registry alone."""
    module, name = READERS[format]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as failure:
        extra = EXTRAS.get(format, "thumbnails")
        raise UnsupportedPicture(
            f"the source is {format.upper()}, which takes: pip install 'nothing-shared[{extra}]'"
        ) from failure


def _draft(image: Any, scale: float) -> tuple[float, float]:
    """Have a JPEG decoded at 1/2, 1/4 or 1/8 where that leaves enough, and return the exact factors."""
    shrink = shrink_of(scale)
    if shrink == 1:
        return 1.0, 1.0
    width, height = image.size
    _, drafted = image.draft(None, (max(1, width // shrink), max(1, height // shrink)))
    return drafted[2] / width, drafted[3] / height


def _orientation(image: Image.Image, format: str) -> int:
    """Return EXIF's orientation; in a PNG it may stand behind the pixels."""
    if format == "png" and "exif" not in image.info:
        image.load()
    return orientation_of(image.info.get("exif"))


@contextmanager
def _judged(format: str) -> Iterator[None]:
    """Pillow's readers raise a dozen kinds of errors for damaged files: all of them are one here."""
    try:
        yield
    except ThumbnailError:
        raise
    except MemoryError as failure:
        raise OutOfMemory("there is no memory to decode the picture in.") from failure
    except Exception as failure:
        raise CorruptPicture(f"the {format.upper()} is damaged: {failure}") from failure
