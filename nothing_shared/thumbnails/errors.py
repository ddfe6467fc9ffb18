"""What can go wrong when drawing: each error says which HTTP status it means, and if a retry may help."""

from __future__ import annotations

__all__ = [
    "CorruptPicture",
    "DrawingTooSlow",
    "OutOfMemory",
    "PictureTooLarge",
    "SourceMissing",
    "ThumbnailError",
    "UnsupportedPicture",
]


class ThumbnailError(Exception):
    """No thumbnail; the text says why, for people.

    ``status`` is the HTTP status that it means. Where ``may_retry`` is False the same source ends in the
    same error each time, so that it may be remembered until the source changes.
    """

    status = 500
    may_retry = False


class SourceMissing(ThumbnailError):
    """There is no such file in the storage."""

    status = 404


class UnsupportedPicture(ThumbnailError):
    """Of a kind that is not drawn here, whatever its name says."""

    status = 415


class CorruptPicture(ThumbnailError):
    """Truncated, damaged, or not what its header says."""

    status = 422


class PictureTooLarge(ThumbnailError):
    """Beyond one of the limits: bytes, pixels, a side, frames, scans, memory."""

    status = 422


class DrawingTooSlow(ThumbnailError):
    """Not done within the seconds allowed: the picture is hostile, or the machine is busy."""

    status = 503
    may_retry = True


class OutOfMemory(ThumbnailError):
    """The machine has less memory left than the limits allow a drawing."""

    status = 503
    may_retry = True
