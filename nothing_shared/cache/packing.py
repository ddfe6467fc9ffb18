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

ROOM, EACH = 512, 64
"""Items that are looked at before a value is pickled, and as how many a dict or list counts itself. So
there are few, and they are not deep; of many rows, whose keys repeat, pickles are as short and as fast."""

CONTAINERS = {dict, list}
SCALARS = {type(None), bool, int, float, str, bytes}
PLAIN = CONTAINERS | SCALARS

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
        copy, _ = _copied(value, ROOM)
        packed = _encode(copy)
        if len(packed) > len(pickled):
            return None
        if dumps(unpack_plain(packed), HIGHEST_PROTOCOL) != pickled:
            return None
    except Exception:  # whatever it is that can't be written so, a pickle is at hand
        return None
    return bytes(memoryview(packed))  # the encoder's own bytes hold room that they don't tell of


def _copied(value: Any, room: int) -> tuple[Any, int]:
    """Copy a value, and say what room is left; raise ValueError if it is large, or not plain all through.

    The encoder must not see the value itself: it crashes where another thread shortens a list, and runs
    code of the objects in it.
    """
    copy = value.copy()
    room -= EACH + len(copy)
    if room < 0:
        raise ValueError("too large")
    is_dict = type(copy) is dict
    kinds = set(map(type, copy.values() if is_dict else copy))
    if not kinds <= PLAIN or (is_dict and not SCALARS.issuperset(map(type, copy))):
        raise ValueError("not plain")
    if not kinds <= SCALARS:
        for key, member in list(copy.items()) if is_dict else enumerate(copy):
            if type(member) in CONTAINERS:
                copy[key], room = _copied(member, room)
    return copy, room
