"""An entry of the cache: a value, when its fill began, and on which slots it depends."""

from __future__ import annotations

import struct
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pickle import HIGHEST_PROTOCOL, dumps, loads
from uuid import UUID

__all__ = ["MOST_VISITS", "Entry", "decode", "encode", "register_text"]

MOST_VISITS = 3
"""Where :attr:`Entry.frequency` stops counting."""

OVERHEAD = 460
"""Bytes of one entry besides its value and slots: itself, its times, and its places in L1."""

SLOT = 40
PICKLED_OVERHEAD = OVERHEAD + sys.getsizeof(b"")

MOST_ITEMS = 64
"""A tuple or frozenset of more than this, nested ones included, is pickled."""

IMMUTABLE = {type(None), bool, int, float, complex, str, bytes, Decimal, UUID, date, timedelta}
TIMES = {datetime, time}
GROUPS = {tuple, frozenset}

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


class Entry:
    """A value that is as good as its source while no slot has changed since ``begun``.

    A mutable value is kept as ``pickled`` and unpickled afresh at every hit; an immutable one is
    ``value``, handed out as it is, and ``pickled`` is None. Times are boot-time nanoseconds,
    ``slots`` places in the change table. Readers count ``frequency`` up to ``MOST_VISITS`` without a
    lock. ``size`` is what the entry costs in L1, in bytes, without its name.
    """

    __slots__ = ("begun", "expires", "frequency", "pickled", "size", "slots", "value")

    def __init__(
        self,
        value: object,
        pickled: bytes | None,
        begun: int,
        expires: int,
        slots: tuple[int, ...],
    ) -> None:
        self.value = value
        self.pickled = pickled
        self.begun = begun
        self.expires = expires
        self.slots = slots
        self.frequency = 0
        if pickled is None:
            self.size = OVERHEAD + SLOT * len(slots) + _size(value)
        else:
            self.size = PICKLED_OVERHEAD + SLOT * len(slots) + len(pickled)

    @classmethod
    def of(cls, value: object, *, begun: int, expires: int, slots: tuple[int, ...]) -> Entry:
        """Make an entry of a value; raise what ``pickle`` raises if it can't be pickled."""
        if type(value) in IMMUTABLE or _is_immutable(value):
            return cls(value, None, begun=begun, expires=expires, slots=slots)
        pickled = dumps(value, HIGHEST_PROTOCOL)
        return cls(None, pickled, begun=begun, expires=expires, slots=slots)

    def load(self) -> object:
        """Return the value, no other caller's if it is mutable; raise what unpickling raises."""
        pickled = self.pickled
        if pickled is None:
            return self.value
        value = loads(pickled)
        if type(value) in IMMUTABLE:
            # In this order: another thread that sees no pickle must find the value.
            self.value = value
            self.pickled = None
        return value


def _is_immutable(value: object) -> bool:
    """Say whether a value and all in it are immutable: small, nested tuples, times in UTC."""
    left, waiting = MOST_ITEMS, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (tuple, frozenset)) and type(item) in GROUPS:
            left -= len(item)
            if left < 0:
                return False
            waiting.extend(item)
        elif isinstance(item, (datetime, time)) and type(item) in TIMES:
            if item.tzinfo is not None and item.tzinfo is not UTC:
                return False
        elif type(item) not in IMMUTABLE:
            return False
    return True


def _size(value: object) -> int:
    size = sys.getsizeof(value)
    if isinstance(value, (tuple, frozenset)):
        size += sum(map(_size, value))
    return size


VERSION = 0xA1
PICKLE, STR, BYTES = 0, 1, 2
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
    value, pickled = entry.value, entry.pickled
    if pickled is not None:
        return PICKLE, pickled
    if isinstance(value, bytes):
        return BYTES, value
    if isinstance(value, str):
        return _codes.get(type(value), STR), value.encode("utf-8", "surrogatepass")
    return PICKLE, dumps(value, HIGHEST_PROTOCOL)


def decode(record: bytes, table_id: int) -> Entry | None:
    """Read a record; None if it belongs to another table or release, or is no whole record.

    Nothing is unpickled here: that is for the hit, and a value that can't be is its miss.
    """
    try:
        version, kind, count, length, table, begun, expires = _unpack(record)
        start = _HEADER_BYTES + 4 * count
        if table != table_id or len(record) != start + length or version != VERSION:
            return None
        slots = _slots[count].unpack_from(record, _HEADER_BYTES)
        if kind == PICKLE:
            return Entry(None, record[start:], begun, expires, slots)
        value = _value(kind, record, start)
    except (struct.error, UnicodeDecodeError, KeyError):
        return None
    return Entry(value, None, begun, expires, slots)


def _value(kind: int, record: bytes, start: int) -> object:
    if kind == BYTES:
        return record[start:]
    text = str(memoryview(record)[start:], "utf-8", "surrogatepass")
    return text if kind == STR else _texts[kind](text)
