"""Sources of every kind, made on the spot: one scene, so that each must give the same thumbnail."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from PIL.Image import Transpose

__all__ = [
    "GPS", "ORIENTATIONS", "chunk", "encoded", "exif", "gif_bomb", "modes", "png", "profile",
    "scan_bomb", "scene",
]  # fmt: skip

ORIENTATIONS = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""What turns an upright picture into one that is stored with this orientation."""

GPS = b"51.4778N-secret-place"


@lru_cache(maxsize=8)
def scene(width: int = 640, height: int = 480) -> Image.Image:
    """A picture in which no two places look alike: gradients, a disc, stripes."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    red = 255 * x
    green = 255 * y
    blue = 128 + 100 * np.sin(20 * x) * np.cos(14 * y)
    disc = (x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.02
    pixels = np.stack([red, green, blue], axis=-1)
    pixels[disc] = (250, 220, 30)
    return Image.fromarray(pixels.round().astype(np.uint8), "RGB")


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int,
    height: int,
    rows: Callable[[], bytes] | bytes,
    *,
    depth: int = 8,
    kind: int = 2,
    before: bytes = b"",
) -> bytes:
    """A PNG by hand; ``rows`` are the bytes of all rows, each with its filter's."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = zlib.compress(rows if isinstance(rows, bytes) else rows(), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )  # fmt: skip


def exif(orientation: int = 1) -> bytes:
    """EXIF with an orientation, a name and a place."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x013B] = "Ada Secret"
    block[0x010E] = GPS.decode()
    gps = block.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (51.0, 28.0, 40.0), "W", (0.0, 0.0, 5.0)
    return block.tobytes()


@lru_cache(maxsize=1)
def profile() -> bytes:
    """A profile whose red and green are swapped: who ignores it shows other colours."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for at in range(132, 132 + 12 * count, 12):
        swapped = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(bytes(data[at : at + 4]))
        data[at : at + 4] = swapped or data[at : at + 4]
    return bytes(data).replace(b"s\0R\0G\0B\0", b"x\0R\0G\0B\0").replace(b"sRGB", b"xRGB")


@lru_cache(maxsize=2)
def modes(width: int = 640, height: int = 480) -> dict[str, tuple[bytes, str]]:
    """Sources in every mode that is drawn, and in which mode the scene is to be compared."""
    image, grey = scene(width, height), scene(width, height).convert("L")
    see_through = image.copy()
    see_through.putalpha(grey.point(lambda value: 255 if value > 20 else 0))
    deep = np.asarray(grey, dtype=np.uint32) * 257
    rows = np.zeros((height, 1 + 2 * width), dtype=np.uint8)
    rows[:, 1::2], rows[:, 2::2] = deep >> 8, deep & 255
    colours = np.asarray(image, dtype=np.uint8)
    wide = np.zeros((height, 1 + 6 * width), dtype=np.uint8)
    wide[:, 1::2] = wide[:, 2::2] = colours.reshape(height, 3 * width)
    return {
        "1.png": (encoded(grey.convert("1"), "PNG"), "L"),
        "adobe-rgb-swapped.jpg": (
            encoded(
                Image.merge("RGB", [image.split()[band] for band in (1, 0, 2)]),
                "JPEG", quality=95, icc_profile=profile(),
            ), "RGB",
        ),
        "broken-profile.jpg": (encoded(image, "JPEG", quality=95, icc_profile=b"no profile"), "RGB"),
        "cmyk.jpg": (encoded(image.convert("CMYK"), "JPEG", quality=95), "RGB"),
        "grey.jpg": (encoded(grey, "JPEG", quality=95), "L"),
        "grey16.png": (png(width, height, rows.tobytes(), depth=16, kind=0), "L"),
        "la.png": (encoded(grey.convert("LA"), "PNG"), "L"),
        "mpo.jpg": (
            encoded(image, "MPO", quality=95, save_all=True, append_images=[grey.convert("RGB")]),
            "RGB",
        ),
        "palette.gif": (encoded(image.quantize(256), "GIF"), "RGB"),
        "palette.png": (encoded(image.quantize(256), "PNG"), "RGB"),
        "progressive.jpg": (encoded(image, "JPEG", quality=95, progressive=True), "RGB"),
        "rgb.avif": (encoded(image, "AVIF", quality=90, speed=10), "RGB"),
        "rgb.png": (encoded(image, "PNG"), "RGB"),
        "rgb.webp": (encoded(image, "WEBP", quality=95), "RGB"),
        "rgb16.png": (png(width, height, wide.tobytes(), depth=16, kind=2), "RGB"),
        "rgba.png": (encoded(see_through, "PNG"), "RGB"),
        "rgba.webp": (encoded(see_through, "WEBP", lossless=True), "RGB"),
    }  # fmt: skip


def scan_bomb(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is there very often."""
    data = encoded(Image.new("RGB", (width, height), (120, 130, 140)), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, start)
    scan, end = data[min(tables, start) : -2], data[-2:]
    return data[: min(tables, start)] + scan * scans + end


def gif_bomb(side: int, frames: int) -> bytes:
    """A flat GIF in which one frame is there very often."""
    data = encoded(Image.new("P", (side, side)), "GIF")
    start = data.index(b"\x2c\x00\x00\x00\x00")
    return data[:start] + (b"\x21\xf9\x04\x00\x05\x00\x00\x00" + data[start:-1]) * frames + b";"
