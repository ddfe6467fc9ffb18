"""Tell what a file is from its first bytes, and judge what its header claims."""

from __future__ import annotations

import io
from collections.abc import Callable

from nothing_shared.thumbnails.errors import CorruptPicture, PictureTooLarge, UnsupportedPicture
from nothing_shared.thumbnails.limits import Limits
from nothing_shared.thumbnails.probing.gif import probe_gif
from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.probing.isobmff import brand_format, probe_isobmff
from nothing_shared.thumbnails.probing.jpeg import probe_jpeg
from nothing_shared.thumbnails.probing.png import probe_png
from nothing_shared.thumbnails.probing.svg import is_svg
from nothing_shared.thumbnails.probing.webp import probe_webp
from nothing_shared.thumbnails.source import Source

__all__ = ["examine", "probe"]

START = 1024

PROBES: dict[str, Callable[[Source], Header]] = {
    "avif": lambda source: probe_isobmff(source, "avif"),
    "gif": probe_gif,
    "heic": lambda source: probe_isobmff(source, "heic"),
    "jpeg": probe_jpeg,
    "png": probe_png,
    "svg": lambda source: Header("svg", 0, 0),
    "webp": probe_webp,
}


def examine(source: Source) -> Header:
    """Return the header of a picture that is within the limits, or raise a ``ThumbnailError``.

    No decoder takes part. The name of the file doesn't either.
    """
    header = probe(source)
    if header.format != "svg":
        _judge(header, source.limits)
    return header


def probe(source: Source) -> Header:
    """Return what the header claims, whatever it is; only formats that are allowed are read on."""
    source.seek(0, io.SEEK_SET)
    start = source.read(START)
    format, limits = _format(start), source.limits
    allowed = (*limits.formats, *(["svg"] if limits.svg == "pass" else []))
    if format not in allowed:
        what = f"is of the format {format}" if format else "is no picture that is known here"
        raise UnsupportedPicture(f"the source {what}; allowed: {', '.join(allowed)}.")
    return PROBES[format](source)


def _format(start: bytes) -> str | None:
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    return "svg" if is_svg(start) else brand_format(start)


def _judge(header: Header, limits: Limits) -> None:
    size = f"{header.width} x {header.height} pixels"
    if not header.pixels:
        raise CorruptPicture(f"the picture has {size}.")
    if max(header.width, header.height) > limits.side:
        raise PictureTooLarge(f"the picture has {size}; allowed: {limits.side} a side.")
    if header.pixels > limits.pixels:
        raise PictureTooLarge(f"the picture has {size}; allowed: {limits.pixels} together.")
    if header.frames > limits.frames:
        raise PictureTooLarge(f"the picture has {header.frames} frames; allowed: {limits.frames}.")
    if header.frames > 1 and header.frames * header.pixels > limits.frame_pixels:
        raise PictureTooLarge(
            f"the picture has {header.frames} frames of {size}; allowed: {limits.frame_pixels} pixels."
        )
    if header.scans > limits.scans:
        raise PictureTooLarge(f"the JPEG has {header.scans} scans; allowed: {limits.scans}.")
