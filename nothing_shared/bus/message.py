"""The envelope: what every message says of itself, signed."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import msgspec
from itsdangerous import BadSignature, Signer

__all__ = ["Forged", "Kind", "Message", "Unreadable", "seal", "unseal"]

VERSION = 1
_write = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_read = json.JSONDecoder().decode


class Kind(StrEnum):
    HELLO = "hello"
    """The first message of a node that nobody has heard before."""
    MESSAGE = "message"
    HEARTBEAT = "heartbeat"
    BYE = "bye"
    """The last message of a node that leaves in an orderly way."""
    STORED = "stored"
    """A message that its transport accounts for: its number is a name only, and counts nothing."""


class Unreadable(Exception):
    """Of another version, or no message at all."""


class Forged(Unreadable):
    """Not signed by this site, or changed on the way."""


_kinds = {str(kind): kind for kind in Kind}


class Message(msgspec.Struct, frozen=True):
    """``sequence`` counts each origin's messages from 1; ``sent`` is ns on the sender's boot-time clock."""

    origin: int
    sequence: int
    sent: int
    kind: Kind
    topic: str = ""
    payload: Any = None

    @property
    def id(self) -> str:
        """Name this message among all that were ever sent, for handlers that must not act twice."""
        return f"{self.origin:x}-{self.sequence}"


def seal(message: Message, signer: Signer) -> bytes:
    """Raises TypeError if the payload is not JSON: NaN isn't, nor is what contains itself."""
    fields = (
        VERSION,
        message.origin,
        message.sequence,
        message.sent,
        message.kind,
        message.topic,
        message.payload,
    )
    try:
        text = _write(fields)
    except (ValueError, RecursionError) as failure:
        raise TypeError(
            f"the payload of a message on {message.topic!r} is not JSON: {failure}"
        ) from failure
    return signer.sign(text.encode())


def unseal(packet: bytes, signer: Signer) -> Message:
    """Raises Forged or Unreadable; nothing of an unsigned packet is parsed."""
    try:
        body = signer.unsign(packet)
    except BadSignature as failure:
        raise Forged("a packet that this site did not sign") from failure
    version, *fields = _read(body.decode())
    if version != VERSION:
        raise Unreadable(f"a message of version {version!r}; known: {VERSION}")
    origin, sequence, sent, kind, topic, payload = fields
    known = _kinds.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise Unreadable(f"a message of an unknown kind {kind!r}")
    return Message(origin, sequence, sent, known, topic, payload)
