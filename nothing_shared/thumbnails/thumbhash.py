"""ThumbHash: a picture in about 25 bytes, after Evan Wallace, https://evanw.github.io/thumbhash/."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, floor, pi

__all__ = ["data_url", "decode", "encode"]

DRAWN_SIDE = 32
Wave = tuple[int, int]


@dataclass(frozen=True)
class Channel:
    """Cosine coefficients: the mean, the largest of the others, and those from 0 to 1."""

    mean: float
    scale: float
    waves: list[float]


def encode(pixels: bytes, width: int, height: int) -> bytes:
    """Return the hash of RGBA pixels; at most 100 a side make sense, and 32 are as good."""
    light, yellow, red, alpha = _channels(pixels)
    is_seen_through = any(part < 1 for part in alpha)
    most = 5 if is_seen_through else 7
    longer = max(width, height)
    across, down = (max(1, _round(most * side / longer)) for side in (width, height))
    size = width, height
    parts = [
        _transformed(light, size, max(3, across), max(3, down)),
        _transformed(yellow, size, 3, 3),
        _transformed(red, size, 3, 3),
        *([_transformed(alpha, size, 5, 5)] if is_seen_through else []),
    ]
    first = (
        _round(63 * parts[0].mean)
        | _round(31.5 + 31.5 * parts[1].mean) << 6
        | _round(31.5 + 31.5 * parts[2].mean) << 12
        | _round(31 * parts[0].scale) << 18
        | is_seen_through << 23
    )
    second = (
        (down if width > height else across)
        | _round(63 * parts[1].scale) << 3
        | _round(63 * parts[2].scale) << 9
        | (width > height) << 15
    )
    head = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    if is_seen_through:
        head += bytes([_round(15 * parts[3].mean) | _round(15 * parts[3].scale) << 4])
    nibbles = [_round(15 * wave) for part in parts for wave in part.waves]
    nibbles += [0] * (len(nibbles) % 2)
    return head + bytes(
        low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True)
    )


def decode(hash: bytes) -> tuple[int, int, bytes]:
    """Return width, height and RGBA pixels of the blurred picture, 32 pixels at its longer side."""
    first, second = int.from_bytes(hash[:3], "little"), int.from_bytes(hash[3:5], "little")
    is_seen_through, is_wide = bool(first >> 23), bool(second >> 15)
    most = 5 if is_seen_through else 7
    across, down = (most, second & 7) if is_wide else (second & 7, most)
    nibbles = iter(
        [part for byte in hash[5 + is_seen_through :] for part in (byte & 15, byte >> 4)]
    )

    def waves(nx: int, ny: int, mean: float, scale: float) -> dict[Wave, float]:
        others = [wave for wave in _waves(nx, ny) if wave != (0, 0)]
        return {(0, 0): mean} | {wave: (next(nibbles, 0) / 7.5 - 1) * scale for wave in others}

    light = waves(max(3, across), max(3, down), (first & 63) / 63, (first >> 18 & 31) / 31)
    yellow = waves(3, 3, (first >> 6 & 63) / 31.5 - 1, (second >> 3 & 63) / 63 * 1.25)
    red = waves(3, 3, (first >> 12 & 63) / 31.5 - 1, (second >> 9 & 63) / 63 * 1.25)
    alpha = {(0, 0): 1.0}
    if is_seen_through:
        alpha = waves(5, 5, (hash[5] & 15) / 15, (hash[5] >> 4) / 15)
    ratio = max(1, across) / max(1, down)
    width = DRAWN_SIDE if ratio > 1 else max(1, _round(DRAWN_SIDE * ratio))
    height = max(1, _round(DRAWN_SIDE / ratio)) if ratio > 1 else DRAWN_SIDE
    planes = [_plane(part, width, height) for part in (light, yellow, red, alpha)]
    return width, height, b"".join(map(_pixel, *planes))


def data_url(hash: bytes) -> str:
    """Return the blurred picture as a PNG that can stand in HTML and CSS."""
    width, height, pixels = decode(hash)
    rows = b"".join(b"\0" + pixels[4 * width * y : 4 * width * (y + 1)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return "data:image/png;base64," + b64encode(png).decode("ascii")


def _channels(pixels: bytes) -> tuple[list[float], list[float], list[float], list[float]]:
    """Split pixels into light, yellow-blue, red-green and alpha, over their own mean colour."""
    alpha = [value / 255 for value in pixels[3::4]]
    total = sum(alpha) or 1.0
    planes = []
    for band in range(3):
        plane = [value / 255 for value in pixels[band::4]]
        mean = sum(v * a for v, a in zip(plane, alpha, strict=True)) / total
        planes.append([mean * (1 - a) + v * a for v, a in zip(plane, alpha, strict=True)])
    red, green, blue = planes
    return (
        [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)],
        [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)],
        [r - g for r, g in zip(red, green, strict=True)],
        alpha,
    )


def _waves(nx: int, ny: int) -> list[Wave]:
    return [(cx, cy) for cy in range(ny) for cx in range(nx) if cx * ny < nx * (ny - cy)]


def _transformed(plane: Sequence[float], size: tuple[int, int], nx: int, ny: int) -> Channel:
    """Rows first, then columns: each cosine is multiplied once a row instead of once a pixel."""
    width, height = size
    columns = [_cosines(cx, width) for cx in range(nx)]
    by_row = [
        [sum(map(float.__mul__, plane[y * width : (y + 1) * width], wave)) for wave in columns]
        for y in range(height)
    ]
    found = {}
    for cx, cy in _waves(nx, ny):
        down = _cosines(cy, height)
        found[cx, cy] = sum(by_row[y][cx] * down[y] for y in range(height)) / (width * height)
    mean = found.pop((0, 0))
    scale = max(map(abs, found.values()), default=0.0)
    waves = [0.5 + 0.5 / scale * value if scale else value for value in found.values()]
    return Channel(mean, scale, waves)


def _plane(waves: dict[Wave, float], width: int, height: int) -> list[float]:
    across = [_cosines(cx, width) for cx in range(8)]
    down = [_cosines(cy, height) for cy in range(8)]
    weighed = [
        (across[cx], down[cy], value * (2 if cx or cy else 1)) for (cx, cy), value in waves.items()
    ]
    return [
        sum(value * wave[x] * fall[y] for wave, fall, value in weighed)
        for y in range(height)
        for x in range(width)
    ]


def _cosines(cycles: int, length: int) -> list[float]:
    return [cos(pi / length * cycles * (at + 0.5)) for at in range(length)]


def _pixel(light: float, yellow: float, red: float, alpha: float) -> bytes:
    blue = light - 2 / 3 * yellow
    warm = (3 * light - blue + red) / 2
    values = (warm, warm - red, blue, alpha)
    return bytes(max(0, min(255, _round(255 * value))) for value in values)


def _round(value: float) -> int:
    """As JavaScript rounds: the halves go up."""
    return floor(value + 0.5)
