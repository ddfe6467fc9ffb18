"""Compression, only where its result tells an onlooker nothing.

Who sees the length of what was compressed together, and may put words of their own beside a secret,
can guess the secret letter by letter (CRIME, BREACH). So small sessions are never compressed, and the
length of what is, is rounded up.
"""

from __future__ import annotations

import zlib

from nothing_shared.sessions.errors import BadToken

__all__ = ["MAX_INFLATED", "deflated", "inflated"]

WORTHWHILE = 1024
"""Bytes below which nothing is compressed."""
BLOCK = 64
MAX_INFLATED = 64 * 1024


def deflated(packed: bytes) -> bytes | None:
    """Return the bytes compressed, in whole blocks; None where that is not worth it."""
    if len(packed) <= WORTHWHILE or len(packed) > MAX_INFLATED:
        return None
    engine = zlib.compressobj(1, wbits=-15)
    small = engine.compress(packed) + engine.flush()
    padded = small + bytes(-len(small) % BLOCK)
    return padded if len(padded) < len(packed) else None


def inflated(body: bytes) -> bytes:
    """Undo :func:`deflated`; whatever comes in, at most 64 KiB come out."""
    engine = zlib.decompressobj(wbits=-15)
    try:
        packed = engine.decompress(body, MAX_INFLATED)
    except zlib.error as failure:
        raise BadToken(str(failure)) from failure
    if not engine.eof:
        raise BadToken("cut short, or too large")
    return packed
