"""The head of every token: whose session it is, since when and until when, and how to read the rest."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from nothing_shared.sessions.errors import BadToken

__all__ = ["KEY_ID", "SIZE", "Header", "Kind", "is_newer", "kind_of", "pack", "unpack"]

VERSION = 1
HEAD = struct.Struct(">BHB16sIIIIH")
SIZE = HEAD.size
KEY_ID = slice(1, 3)
"""Where the id of the key stands."""

FLAGS = 3
KIND = 0b0000_0011
COMPRESSED = 0b0000_0100
SEALED = 0b0000_1000
BROWSER_LENGTH = 0b0001_0000


class Kind(IntEnum):
    """What a token holds."""

    WHOLE = 0
    """Login and data, for one cookie."""
    LOGIN = 1
    """Who is signed in, and for how long: its cookie is written by a login, never by a data write."""
    DATA = 2


@dataclass(frozen=True, slots=True)
class Header:
    """Times are in seconds since 1970, on the wall clock of the node that issued the token."""

    kind: Kind
    sid: bytes
    born: int
    issued: int
    expires: int
    generation: int = 0
    """Which of the user's sign-outs everywhere it outlives: those up to this one."""
    count: int = 0
    is_compressed: bool = False
    is_sealed: bool = False
    is_browser_length: bool = False

    @property
    def flags(self) -> int:
        return (
            self.kind
            | self.is_compressed * COMPRESSED
            | self.is_sealed * SEALED
            | self.is_browser_length * BROWSER_LENGTH
        )


def pack(header: Header, key_id: int) -> bytes:
    return HEAD.pack(
        VERSION,
        key_id,
        header.flags,
        header.sid,
        header.born,
        header.issued,
        header.expires,
        header.generation,
        header.count,
    )


def kind_of(raw: bytes) -> Kind:
    """Read, of bytes that nobody has verified, which of the derived keys they ask for."""
    if len(raw) < SIZE or raw[0] != VERSION:
        raise BadToken("not a token of this version")
    try:
        return Kind(raw[FLAGS] & KIND)
    except ValueError:
        raise BadToken("a token of no known kind") from None


def is_sealed(raw: bytes) -> bool:
    return bool(raw[FLAGS] & SEALED)


def unpack(raw: bytes) -> Header:
    _, _, flags, sid, born, issued, expires, generation, count = HEAD.unpack_from(raw)
    return Header(
        Kind(flags & KIND),
        sid,
        born,
        issued,
        expires,
        generation,
        count,
        bool(flags & COMPRESSED),
        bool(flags & SEALED),
        bool(flags & BROWSER_LENGTH),
    )


def is_newer(count: int, than: int) -> bool:
    """Compare two counters that wrap around."""
    return 0 < (count - than) % 2**16 < 2**15
