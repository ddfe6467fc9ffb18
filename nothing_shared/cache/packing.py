"""How a value that can change is held in bytes: pickled, or as MessagePack, which is read faster."""

from __future__ import annotations

from collections.abc import Callable
from pickle import HIGHEST_PROTOCOL, dumps, loads
from typing import Any

from msgspec.msgpack import Decoder, Encoder

__all__ = ["Unpack", "pack", "unpack_plain", "unpickle"]

Unpack = Callable[[bytes], Any]

MOST_PICKLED = 8 * 1024
"""Bytes of a pickle past which nothing else is tried."""

DEEPEST = 8
"""Lists in lists of which MessagePack is made: it needs stack to read them, and pickle none."""

CONTAINERS = {dict, list}

_encode = Encoder().encode
unpack_plain: Unpack = Decoder().decode
unpickle: Unpack = loads


def pack(value: object) -> tuple[bytes, Unpack]:
    """Return a value in bytes, and what makes a new one of them; raise what pickling raises."""
    pickled = dumps(value, HIGHEST_PROTOCOL)
    if type(value) in CONTAINERS and len(pickled) <= MOST_PICKLED:
        plain = _plain(value, pickled)
        if plain is not None:
            return plain, unpack_plain
    return pickled, unpickle


def _plain(value: object, pickled: bytes) -> bytes | None:
    """Return MessagePack for a value; None where that would be longer, or give back anything else.

    What it gives back is pickled in turn, and must come to the same bytes: so neither a type nor what
    is in two places is lost, and whatever another thread does to the value meanwhile is found out.
    """
    try:
        packed = _encode(value)
        if len(packed) > len(pickled):  # what repeats is pickled once, and read once
            return None
        made = unpack_plain(packed)
        if dumps(made, HIGHEST_PROTOCOL) != pickled or _is_deep(made):
            return None
    except Exception:  # whatever it is that can't be written so, a pickle is at hand
        return None
    return bytes(memoryview(packed))  # the encoder's own bytes hold room that they don't tell of


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            member
            for each in level
            for member in (each.values() if type(each) is dict else each)
            if type(member) in CONTAINERS
        ]
        if not level:
            return False
    return True
