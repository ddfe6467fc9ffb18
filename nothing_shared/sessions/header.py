"""The head of every token: whose session it is, since when and until when, and how to read the rest."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from nothing_shared.sessions.errors import BadToken, UnknownToken

__all__ = [
    "KEY_ID",
    "SIZE",
    "VERSION",
    "Header",
    "Kind",
    "flags_of",
    "is_newer",
    "is_sealed",
    "kind_of",
    "pack",
    "unpack",
]

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
BOUND = 0b0010_0000


class Kind(IntEnum):
    """What a token holds."""

    WHOLE = 0
    """Login and data, for one cookie."""
    LOGIN = 1
    """Who is signed in, and for how long: its cookie is written by a login, never by a data write."""
    DATA = 2


KINDS = (Kind.WHOLE, Kind.LOGIN, Kind.DATA)


class Header(NamedTuple):
    """Times are in seconds since 1970, on the wall clock of the node that issued the token."""

    flags: int
    sid: bytes
    born: int
    issued: int
    expires: int
    generation: int = 0
    """Which of the user's sign-outs everywhere it outlives: those up to this one."""
    counter: int = 0

    @property
    def kind(self) -> Kind:
        return KINDS[self.flags & KIND]

    @property
    def is_compressed(self) -> bool:
        return bool(self.flags & COMPRESSED)

    @property
    def is_sealed(self) -> bool:
        return bool(self.flags & SEALED)

    @property
    def is_bound(self) -> bool:
        """Whether it is data of somebody who was signed in, and so nothing without their login."""
        return bool(self.flags & BOUND)

    @property
    def is_browser_length(self) -> bool:
        return bool(self.flags & BROWSER_LENGTH)

    def marked(self, *, sealed: bool, compressed: bool) -> Header:
        """Return the header of a body that was treated so."""
        return self._replace(flags=self.flags | sealed * SEALED | compressed * COMPRESSED)


def flags_of(kind: Kind, *, is_browser_length: bool = False, is_bound: bool = False) -> int:
    return kind | is_browser_length * BROWSER_LENGTH | is_bound * BOUND


def pack(header: Header, key_id: int) -> bytes:
    return HEAD.pack(VERSION, key_id, *header)


def kind_of(raw: bytes) -> Kind:
    """Read, of bytes that nobody has verified, which of the derived keys they ask for."""
    if len(raw) < SIZE:
        raise BadToken("too short for a token")
    if raw[0] != VERSION:
        raise UnknownToken("not a token of this version")
    number = raw[FLAGS] & KIND
    if number >= len(KINDS):
        raise BadToken("a token of no known kind")
    return KINDS[number]


def is_sealed(raw: bytes) -> bool:
    return bool(raw[FLAGS] & SEALED)


def unpack(raw: bytes) -> Header:
    return Header._make(HEAD.unpack_from(raw)[2:])


def is_newer(count: int, than: int) -> bool:
    """Compare two counters that wrap around."""
    return 0 < (count - than) % 2**16 < 2**15
