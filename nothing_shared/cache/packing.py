"""How a value that can change is held in bytes: as MessagePack where that loses nothing, else pickled."""

from __future__ import annotations

from collections.abc import Callable
from gc import get_referents
from pickle import HIGHEST_PROTOCOL, dumps, loads
from typing import Any

from msgspec.msgpack import Decoder, Encoder

__all__ = ["Unpack", "pack", "unpack_plain", "unpickle"]

Unpack = Callable[[bytes], Any]

MOST_ITEMS = 1024
"""A value of more items, nested ones included, is pickled: it isn't worth a longer look."""

DEEPEST = 8
"""Deeper ones, too: unpickling needs no stack, however deep it is called."""

_SCALARS = {type(None), bool, int, float, str, bytes}
_CONTAINERS = {dict, list}
_PLAIN = _SCALARS | _CONTAINERS

_encode = Encoder().encode
unpack_plain: Unpack = Decoder().decode
unpickle: Unpack = loads


def pack(value: object) -> tuple[bytes, Unpack]:
    """Return a value in bytes, and what makes a new one of them; raise what pickling raises."""
    if _is_plain(value):
        try:
            return _encode(value), unpack_plain
        except (OverflowError, UnicodeEncodeError):  # integers past 64 bits, lone surrogates
            pass
    return dumps(value, HIGHEST_PROTOCOL), unpickle


def _is_plain(value: object) -> bool:
    """Say whether MessagePack gives back just this: the same types, and nothing in two places."""
    if type(value) not in _CONTAINERS:
        return False
    containers, number, left = [value], 1, MOST_ITEMS
    known = {id(value)}
    for _ in range(DEEPEST):
        # All members of all containers of a level: at least the values of a dict, whose keys may be
        # left out where all are strings and of no subclass.
        members = get_referents(*containers)
        left -= len(members)
        kinds = set(map(type, members))
        if left < 0 or not kinds <= _PLAIN:
            return False
        if kinds <= _SCALARS:
            return True
        containers = [each for each in members if type(each) in _CONTAINERS]
        known.update(map(id, containers))
        number += len(containers)
        if len(known) != number:
            return False
    return False
