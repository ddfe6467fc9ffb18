"""An entry of the cache: a value, when its fill began, and on which slots it depends."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from nothing_shared.cache.copying import IMMUTABLE, bytes_of, copier, is_immutable
from nothing_shared.cache.packing import Unpack, pack, unpack_plain, unpickle

__all__ = ["MOST_VISITS", "Entry", "decode", "encode", "register_text"]

MOST_VISITS = 3
"""Where :attr:`Entry.frequency` stops counting."""

OVERHEAD = 460
"""Bytes of one entry besides its value and slots: itself, its times, and its places in L1."""

SLOT = 40
MOST_LOOKED_AT = 16 * 1024
"""Bytes of what is packed past which it is not asked whether something else could do."""
PACKED_OVERHEAD = OVERHEAD + sys.getsizeof(b"")

_codes: dict[type[str], int] = {}
_texts: dict[int, type[str]] = {}


def register_text(cls: type[str], *, code: int) -> None:
    """Hand out instances of a ``str`` subclass as they are.

    They must be immutable, and ``cls(text)`` must make one. ``code`` (16 .. 255) stands for the
    class in records: the same in every process and release.
    """
    if not 16 <= code <= 255 or _texts.get(code, cls) is not cls:
        raise ValueError(f"{code!r} can't stand for {cls!r}: 16 .. 255, one code per class.")
    _codes[cls], _texts[code] = code, cls
    IMMUTABLE.add(cls)


class Found(NamedTuple):
    """What an entry can hold instead of bytes."""

    value: object
    copy: Callable[[], Any] | None
    size: int


class Entry:
    """A value that is as good as its source while no slot has changed since ``begun``.

    A mutable value is kept as bytes, ``packed``, of which ``unpack`` makes a new one at every hit; where
    that is possible, and somebody asks for it, ``copy`` makes one of ``value`` instead. An immutable one
    is ``value``, handed out as it is. Times are boot-time nanoseconds, ``slots`` places in the change
    table. Readers count ``frequency`` up to ``MOST_VISITS`` without a lock. ``size`` is what the entry
    costs in L1, in bytes, without its name.
    """

    __slots__ = (
        "begun", "copy", "expires", "frequency", "is_looked_at", "packed", "size", "slots", "unpack",
        "value",
    )  # fmt: skip

    def __init__(
        self,
        value: object,
        packed: bytes | None,
        begun: int,
        expires: int,
        slots: tuple[int, ...],
        unpack: Unpack = unpickle,
    ) -> None:
        self.value = value
        self.packed = packed
        self.unpack = unpack
        self.begun = begun
        self.expires = expires
        self.slots = slots
        self.frequency = 0
        self.copy: Callable[[], Any] | None = None
        self.is_looked_at = False
        if packed is None:
            self.size = OVERHEAD + SLOT * len(slots) + bytes_of(value)
        else:
            self.size = PACKED_OVERHEAD + SLOT * len(slots) + len(packed)

    @classmethod
    def of(cls, value: object, *, begun: int, expires: int, slots: tuple[int, ...]) -> Entry:
        """Make an entry of a value; raise what ``pickle`` raises if it can't be pickled."""
        if is_immutable(value):
            return cls(value, None, begun, expires, slots)
        packed, unpack = pack(value)
        return cls(None, packed, begun, expires, slots, unpack)

    def load(self) -> object:
        """Return the value, no other caller's if it is mutable; raise what unpickling raises."""
        packed = self.packed
        if packed is None:
            return self.value if self.copy is None else self.copy()
        value = self.unpack(packed)
        if type(value) in IMMUTABLE:
            self.keep(Found(value, None, self.size))
        return value

    def look(self) -> Found | None:
        """Say what the entry could hold instead of bytes; None if it needs them.

        It takes as long as unpacking it some ten times: do it once, for what is read often.
        """
        self.is_looked_at = True
        if self.packed is None or len(self.packed) > MOST_LOOKED_AT:
            return None
        value = self.load()
        copy = copier(value)
        if copy is None and not is_immutable(value):
            return None
        return Found(value, copy, OVERHEAD + SLOT * len(self.slots) + bytes_of(value))

    def keep(self, found: Found) -> None:
        """Do without the bytes."""
        # In this order: another thread that sees no bytes must find the rest.
        self.value, self.copy, self.size = found
        self.packed = None

    def depend(self, slots: tuple[int, ...]) -> None:
        """Give an entry that nobody else has seen the slots on which it depends."""
        self.size += SLOT * (len(slots) - len(self.slots))
        self.slots = slots


VERSION = 0xA1
PICKLE, STR, BYTES, PLAIN = range(4)
_HEADER = struct.Struct("<BBHIQQQ")
"""Version, kind, number of slots, bytes of payload, table id, begun, expires."""
_HEADER_BYTES, _unpack = _HEADER.size, _HEADER.unpack_from


class _Slots(dict[int, struct.Struct]):
    """Number of slots → how they are written."""

    def __missing__(self, count: int) -> struct.Struct:
        made = self[count] = struct.Struct(f"<{count}I")
        return made


_slots = _Slots()


def encode(entry: Entry, table_id: int) -> bytes:
    """Write an entry as a record for L2: 32 bytes, 4 for each slot, and the value.

    The times and slots mean something beside the table of this id only.
    """
    kind, payload = _payload(entry)
    slots = entry.slots
    header = _HEADER.pack(
        VERSION, kind, len(slots), len(payload), table_id, entry.begun, entry.expires
    )
    return b"".join((header, _slots[len(slots)].pack(*slots), payload))


def _payload(entry: Entry) -> tuple[int, bytes]:
    packed, unpack = entry.packed, entry.unpack
    if packed is None:
        value = entry.value
        if isinstance(value, bytes):
            return BYTES, value
        if isinstance(value, str):
            return _codes.get(type(value), STR), value.encode("utf-8", "surrogatepass")
        packed, unpack = pack(value)
    return PICKLE if unpack is unpickle else PLAIN, packed


def decode(record: bytes, table_id: int) -> Entry | None:
    """Read a record; None if it belongs to another table or release, or is no whole record.

    Nothing is unpacked here: that is for the hit, and a value that can't be is its miss.
    """
    try:
        version, kind, count, length, table, begun, expires = _unpack(record)
        start = _HEADER_BYTES + 4 * count
        if table != table_id or len(record) != start + length or version != VERSION:
            return None
        slots = _slots[count].unpack_from(record, _HEADER_BYTES)
        if kind == PICKLE:
            return Entry(None, record[start:], begun, expires, slots)
        if kind == PLAIN:
            return Entry(None, record[start:], begun, expires, slots, unpack_plain)
        value = _value(kind, record, start)
    except (struct.error, UnicodeDecodeError, KeyError):
        return None
    return Entry(value, None, begun, expires, slots)


def _value(kind: int, record: bytes, start: int) -> object:
    if kind == BYTES:
        return record[start:]
    text = str(memoryview(record)[start:], "utf-8", "surrogatepass")
    return text if kind == STR else _texts[kind](text)
