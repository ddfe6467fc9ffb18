"""Tokens: what one cookie of a session says, signed or sealed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple

from nothing_shared.sessions import header as headers
from nothing_shared.sessions.deflating import deflated, inflated
from nothing_shared.sessions.errors import BadToken, UnknownToken
from nothing_shared.sessions.header import SIZE, Header, Kind
from nothing_shared.sessions.keys import MAC_SIZE, Key, KeyRing
from nothing_shared.sessions.sealing import seal, unseal

__all__ = ["MAX_TEXT", "Codec", "Token"]

MAX_TEXT = 3 * 4096
"""Characters of the longest text that is looked at."""


class Token(NamedTuple):
    """A token that this site made."""

    header: Header
    packed: bytes
    """What it holds, as :mod:`~nothing_shared.sessions.packing` has it."""
    text: str
    is_of_newest_key: bool = True


class Codec:
    """Makes and opens tokens; each kind has keys of its own, so that none passes for another."""

    def __init__(self, rings: Mapping[Kind, KeyRing], *, seals: bool, compresses: bool) -> None:
        self._rings = dict(rings)
        self._seals = seals
        self._compresses = compresses

    def encode(self, header: Header, packed: bytes, *, holds_secret: bool = False) -> Token:
        """Make a token. One that ``holds_secret`` is not compressed."""
        ring = self._rings[header.kind]
        small = deflated(packed) if self._compresses and not holds_secret else None
        if self._seals or small is not None:
            header = header.marked(sealed=self._seals, compressed=small is not None)
        head = headers.pack(header, ring.newest.id)
        body = packed if small is None else small
        if self._seals:
            raw = head + seal(ring.newest, header.sid, ring.purpose, head, body)
        else:
            signed = head + body
            raw = signed + ring.newest.mac(signed)
        return Token(header, packed, urlsafe_b64encode(raw).rstrip(b"=").decode())

    def decode(self, text: str) -> Token:
        """Open a token, or raise BadToken; nothing of what this site did not make is parsed."""
        raw = _bytes_of(text)
        ring = self._rings[headers.kind_of(raw)]
        keys = ring.find(int.from_bytes(raw[headers.KEY_ID], "big"))
        if not keys:
            raise UnknownToken("made with a key that is not known here")
        for key in keys:
            body = _opened(raw, key, ring.purpose)
            if body is not None:
                header = headers.unpack(raw)
                packed = inflated(body) if header.is_compressed else body
                return Token(header, packed, text, key is ring.newest)
        raise BadToken("not made by this site")

    def claimed(self, text: str) -> Kind | None:
        """Return the kind that an unverified text says it is of; None if it is no token of ours."""
        try:
            return headers.kind_of(_bytes_of(text))
        except BadToken:
            return None

    def opened(self, text: str) -> Token | None:
        """Open a token; None where :meth:`decode` raises."""
        try:
            return self.decode(text)
        except BadToken:
            return None

    def is_forged(self, text: str) -> bool:
        """Say whether no node will ever take this text for a token."""
        try:
            self.decode(text)
        except UnknownToken:
            return False
        except BadToken:
            return True
        return False


def _bytes_of(text: str) -> bytes:
    if len(text) > MAX_TEXT:
        raise BadToken(f"{len(text)} characters")
    try:
        written = text.encode("ascii")
        raw = urlsafe_b64decode(written + b"=" * (-len(written) % 4))
    except ValueError as failure:
        raise BadToken(str(failure)) from failure
    # There is one way to write a token: the decoder passes over what it doesn't know.
    if urlsafe_b64encode(raw).rstrip(b"=") != written:
        raise BadToken("not written as this site writes tokens")
    return raw


def _opened(raw: bytes, key: Key, purpose: bytes) -> bytes | None:
    if headers.is_sealed(raw):
        head = raw[:SIZE]
        try:
            return unseal(key, headers.unpack(raw).sid, purpose, head, raw[SIZE:])
        except BadToken:
            return None
    signed, mac = raw[:-MAC_SIZE], raw[-MAC_SIZE:]
    return signed[SIZE:] if len(signed) >= SIZE and key.is_mac(mac, signed) else None
