"""Tell a whole picture file from a part of one, and its kind, by its first and last bytes alone."""

from __future__ import annotations

__all__ = ["whole_picture"]


def whole_picture(data: bytes) -> str:
    """Return the content type of a file of ours that was not cut off; "" for anything else.

    It does not look at the pixels.
    """
    if data[:3] == b"\xff\xd8\xff" and data[-2:] == b"\xff\xd9":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND":
        return "image/png"
    if data[:4] == b"GIF8" and data[-1:] == b";":
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = int.from_bytes(data[4:8], "little") + 8
        return "image/webp" if len(data) in (size, size + size % 2) else ""
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "image/avif" if _is_boxes(data) else ""
    return ""


def _is_boxes(data: bytes) -> bool:
    """Say whether the boxes of an ISO file end where it does, and one of them is the picture."""
    at, has_picture = 0, False
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False
        has_picture = has_picture or data[at + 4 : at + 8] == b"mdat"
        at += size
    return has_picture and at == len(data)
