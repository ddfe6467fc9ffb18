"""Draw one thumbnail from one source, within limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from nothing_shared.thumbnails.cost import refuse_costly
from nothing_shared.thumbnails.engines import engine_named
from nothing_shared.thumbnails.engines.base import Encoding, Engine, Frame, Picture, Rendered
from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge, UnsupportedPicture
from nothing_shared.thumbnails.geometry import Plan, Point, plan, scale_of, upright_size
from nothing_shared.thumbnails.limits import DEFAULT_LIMITS, Limits
from nothing_shared.thumbnails.probing import Header, examine
from nothing_shared.thumbnails.probing.svg import refuse_active
from nothing_shared.thumbnails.smart import SAMPLE_SIDE, focus_of
from nothing_shared.thumbnails.source import Source
from nothing_shared.thumbnails.specs import Spec

__all__ = ["CONTENT_TYPES", "QUALITIES", "Drawn", "draw", "draw_pixels", "upright_size_of"]

CONTENT_TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}
QUALITIES = {"avif": 65, "gif": 100, "jpeg": 85, "png": 100, "webp": 85}
WHITE = (255, 255, 255)
PIXELS = Encoding("rgba", 100)


@dataclass(frozen=True)
class Drawn:
    """A thumbnail: the whole file, and what to say of it. An SVG has the size 0 x 0."""

    data: bytes
    content_type: str
    width: int
    height: int


def draw(
    source: bytes | BinaryIO,
    spec: Spec,
    limits: Limits = DEFAULT_LIMITS,
    *,
    engine: str = "pillow",
    clock: Callable[[], float] = time.monotonic,
) -> Drawn:
    """Draw ``source``, the bytes of a picture or a file of them, as ``spec`` says.

    A file that can seek is read as it is decoded, one that can't is read into memory first. With the
    format ``auto`` the result is a JPEG, or a WebP where it is transparent or moves. Raises a
    :class:`~nothing_shared.thumbnails.errors.ThumbnailError`, and nothing else, if it can't be drawn.
    """
    file = Source(source, limits, clock)
    header = examine(file)
    if header.format == "svg":
        return _passed_by(file)
    return _drawn(engine_named(engine), file, header, spec)


def draw_pixels(
    source: bytes | BinaryIO, side: int, limits: Limits = DEFAULT_LIMITS, *, engine: str = "pillow"
) -> tuple[bytes, int, int]:
    """Return all of a picture as plain RGBA, with the width and height; ``side`` is the longer one."""
    file = Source(source, limits)
    header = examine(file)
    if header.format == "svg":
        raise UnsupportedPicture("the source is an SVG, which is passed by, never drawn.")
    drawing, pixels = _first_frame(engine_named(engine), file, header, Spec(side, side))
    return pixels, *drawing.size


def upright_size_of(
    source: bytes | BinaryIO, limits: Limits = DEFAULT_LIMITS, *, engine: str = "pillow"
) -> tuple[int, int]:
    """Return the width and height that a picture is shown at: what specs count from."""
    file = Source(source, limits)
    header = examine(file)
    if header.format == "svg":
        return 0, 0
    refuse_costly(header, file.size, 1.0, limits)
    picture = engine_named(engine).open(file, header)
    return upright_size(picture.width, picture.height, picture.orientation)


def _passed_by(file: Source) -> Drawn:
    file.seek(0)
    document = file.read()
    refuse_active(document)
    return Drawn(document, CONTENT_TYPES["svg"], 0, 0)


def _drawn(engine: Engine, file: Source, header: Header, spec: Spec) -> Drawn:
    picture, drawing = _opened(engine, file, header, spec)
    count = picture.frames if spec.is_animated else 1
    _refuse_large(drawing, count, file.limits)
    rendered: list[Rendered] = []
    for frame in engine.frames(picture, scale_of(drawing), min(count, file.limits.frames)):
        if spec.is_smart and not rendered:
            size = upright_size(picture.width, picture.height, picture.orientation)
            drawing = _plan(spec, *size, focus=_focus(engine, frame, drawing, size))
        rendered.append(engine.render(frame, drawing))
        file.check_time()
    return _encoded(engine, rendered, drawing, picture, spec)


def _opened(engine: Engine, file: Source, header: Header, spec: Spec) -> tuple[Picture, Plan]:
    # The header's size both ways: before the file is opened nobody knows how it is turned.
    either = (header.width, header.height), (header.height, header.width)
    scale = min(scale_of(_plan(spec, *size)) for size in either)
    refuse_costly(header, file.size, scale, file.limits)
    picture = engine.open(file, header)
    size = upright_size(picture.width, picture.height, picture.orientation)
    return picture, _plan(spec, *size)


def _first_frame(engine: Engine, file: Source, header: Header, spec: Spec) -> tuple[Plan, bytes]:
    picture, drawing = _opened(engine, file, header, spec)
    for frame in engine.frames(picture, scale_of(drawing), 1):
        return drawing, engine.encode([engine.render(frame, drawing)], PIXELS)
    raise CorruptPicture("the picture has no frame.")


def _encoded(
    engine: Engine, rendered: list[Rendered], drawing: Plan, picture: Picture, spec: Spec
) -> Drawn:
    format = spec.format
    if format == "auto":
        is_plain = len(rendered) == 1 and not rendered[0].has_alpha
        format = "jpeg" if is_plain else "webp"
    encoding = Encoding(format, spec.quality or QUALITIES[format], picture.loop)
    return Drawn(engine.encode(rendered, encoding), CONTENT_TYPES[format], *drawing.canvas)


def _plan(spec: Spec, width: int, height: int, focus: Point | None = None) -> Plan:
    return plan(spec, width, height, focus=focus, ground=_ground(spec))


def _ground(spec: Spec) -> tuple[int, int, int] | None:
    """Return the colour beneath: the spec's, or white where the thumbnail can't be transparent."""
    if spec.background is not None:
        red, green, blue = bytes.fromhex(spec.background)
        return red, green, blue
    is_opaque = spec.format == "jpeg" or (spec.format == "auto" and spec.fit == "pad")
    return WHITE if is_opaque else None


def _focus(engine: Engine, frame: Frame, drawing: Plan, size: tuple[int, int]) -> Point:
    """Look at a small copy of the whole picture."""
    scale = min(1.0, SAMPLE_SIDE / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    whole = Plan((0.0, 0.0, float(size[0]), float(size[1])), small, small)
    pixels = engine.encode([engine.render(frame, whole)], PIXELS)
    return focus_of(pixels, *small, drawing.canvas[0] / drawing.canvas[1])


def _refuse_large(drawing: Plan, count: int, limits: Limits) -> None:
    """Bound the result, which a spec may ask to be larger than its source."""
    pixels = drawing.canvas[0] * drawing.canvas[1]
    if pixels > limits.output_pixels or (count > 1 and 4 * count * pixels > limits.memory):
        raise PictureTooLarge(
            f"a thumbnail of {drawing.canvas} pixels and {count} frames is more than is drawn here; "
            f"allowed: {limits.output_pixels} pixels, {limits.memory >> 20} MB."
        )
