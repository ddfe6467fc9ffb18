"""What a finished file carries besides its pixels, found by parsing it."""

from __future__ import annotations

import struct

__all__ = ["extras"]

PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}
NEUTRAL = struct.pack(">IIB", 1000, 1000, 1)
"""libvips always writes a resolution: one pixel a millimetre if it knows none."""
WEBP_PIXELS = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
AVIF_PROPERTIES = {b"ispe", b"pixi", b"av1C", b"auxC", b"colr"}


def extras(data: bytes) -> list[str]:
    """Name each part of the file that is not about pixels."""
    if data[:2] == b"\xff\xd8":
        return jpeg(data)
    if data[:4] == b"\x89PNG":
        return png(data)
    if data[:4] == b"RIFF":
        return webp(data)
    if data[:3] == b"GIF":
        return gif(data)
    assert data[4:8] == b"ftyp", data[:16]
    return avif(data)


def jpeg(data: bytes) -> list[str]:
    """Only JFIF's segment is allowed, without a thumbnail in it."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if (marker == 0xE0 and (body[:5] != b"JFIF\0" or len(body) != 14)) or marker in (
            0xFE,
            *range(0xE1, 0xF0),
        ):
            found.append(f"{marker:x} {body[:20]!r}")
        at += 2 + length
    return found


def png(data: bytes) -> list[str]:
    found, at = [], 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        is_neutral = name == b"pHYs" and body == NEUTRAL
        if name not in PNG_PIXELS and not is_neutral:
            found.append(f"{name!r} {body[:20]!r}")
        at += 12 + length
    return found


def webp(data: bytes) -> list[str]:
    found, at = [], 12
    while at < len(data):
        name, length = struct.unpack("<4sI", data[at : at + 8])
        if name not in WEBP_PIXELS:
            found.append(f"{name!r}")
        if name == b"VP8X" and data[at + 8] & 0b00101100:
            found.append("flags of metadata")
        at += 8 + length + length % 2
    return found


def gif(data: bytes) -> list[str]:
    """Comments and applications, but for the one that says how often to repeat."""
    found = []
    at = 13 + (3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            label, body = data[at + 1], data[at + 3 : at + 14]
            if label == 0xFE or (label == 0xFF and body != b"NETSCAPE2.0"):
                found.append(f"extension {label:x} {body!r}")
            at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    return found


def avif(data: bytes) -> list[str]:
    """Properties and items: coded pictures only, and colours as numbers, not as a profile."""
    found = [f"item {kind!r}" for kind in (b"Exif", b"mime", b"xml ") if kind in kinds(data)]
    at = data.index(b"ipco") + 4
    end = at + int.from_bytes(data[at - 8 : at - 4], "big") - 8
    while at < end:
        length, name = struct.unpack(">I4s", data[at : at + 8])
        if name not in AVIF_PROPERTIES:
            found.append(f"property {name!r}")
        if name == b"colr" and data[at + 8 : at + 12] != b"nclx":
            found.append("a profile")
        at += length
    return found


def kinds(data: bytes) -> set[bytes]:
    """Return the kinds of items: what stands in each ``infe``."""
    found, at = set(), data.find(b"infe")
    while at >= 0:
        found.add(data[at + 12 : at + 16])
        at = data.find(b"infe", at + 4)
    return found
