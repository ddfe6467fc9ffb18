from __future__ import annotations

import datetime as dt
import math
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from nothing_shared.cache import packing
from nothing_shared.cache.packing import pack, unpack_plain, unpickle


class Text(str):
    __slots__ = ()


class Seat(IntEnum):
    FRONT = 1


class Point(NamedTuple):
    x: int


class Whole(int):
    pass


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value, 1.5]
    return value


SHARED: list[int] = []
REPEATED = "as long a text as one may find in many rows"
BYTES_OF_NAN = b"\1" * 6 + b"\xf8\x7f"

PLAIN: list[Any] = [
    {},
    [],
    {"a": None, "b": True, "c": 2**63 - 1, "d": -(2**63), "e": 1.0, "f": "ü", "g": b"\xff"},
    {1: "one", None: "none", 2.5: 0, b"xy": 1, "1": 2},
    {"id": 7, "title": "A concert", "tags": ["new", []], "venue": {"name": "Hall", "seats": 120}},
    nested(7),
    [0] * (packing.ROOM - packing.EACH),
]
NOT_PLAIN: list[Any] = [
    {"a": 2**64},
    [-(2**63) - 1],
    ["\ud800"],
    {"\ud800": 1},
    [(1, 2)],
    [Text("x")],
    {Text("x"): 1},
    {Seat.FRONT: 1},
    [Seat.FRONT],
    [Whole(3)],
    [Point(1)],
    [bytearray(b"x")],
    [{1}],
    [frozenset({1})],
    OrderedDict(a=1),
    [OrderedDict(a=1)],
    [Decimal(1)],
    [1j],
    [dt.date(2026, 11, 28)],
    [SHARED, SHARED],
    {"a": SHARED, "b": [SHARED]},
    [SHARED, [[SHARED]]],
    nested(8),
    [0] * (packing.ROOM - packing.EACH + 1),
    {(1, "2"): 3},
    [REPEATED] * 3,
    [{"title": REPEATED, "id": number} for number in range(3)],
    ["x" * packing.MOST_PICKLED],
    vars(SimpleNamespace(size=(3, 4))),
    bytearray(b"x"),
]


def exactly(value: Any) -> Any:
    """Return a value with the type of all that is in it, in its order, and every bit of it."""
    if isinstance(value, dict):
        return type(value), [(exactly(key), exactly(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [exactly(each) for each in value]
    return type(value), struct.pack("<d", value) if isinstance(value, float) else value


def short(value: object) -> str:
    return ascii(value)[:50]


def unpacked(value: object) -> Any:
    packed, unpack = pack(value)
    return unpack(packed)


@pytest.mark.parametrize("value", PLAIN, ids=short)
def test_a_plain_value_is_not_pickled(value: Any) -> None:
    packed, unpack = pack(value)
    assert unpack is unpack_plain
    assert exactly(unpack(packed)) == exactly(value)
    assert len(packed) <= len(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


@pytest.mark.parametrize("value", NOT_PLAIN, ids=short)
def test_what_would_come_back_as_another_or_be_longer_is_pickled(value: Any) -> None:
    packed, unpack = pack(value)
    assert unpack is unpickle
    assert exactly(unpack(packed)) == exactly(value)


def test_what_is_in_two_places_stays_one_thing() -> None:
    for value in ([SHARED, SHARED], [[SHARED], SHARED]):
        got = unpacked(value)
        assert (got[0] if got[0] is got[1] else got[0][0]) is got[1]
    loop: list[Any] = [1]
    loop.append(loop)
    got = unpacked(loop)
    assert got[1] is got
    holder = SimpleNamespace()
    holder.itself = vars(holder)
    got = unpacked(vars(holder))
    assert got["itself"] is got


def test_every_bit_of_a_float_is_kept() -> None:
    odd = [math.nan, -math.nan, -0.0, math.inf, 5e-324, struct.unpack("<d", BYTES_OF_NAN)[0]]
    assert pack(odd)[1] is unpack_plain
    assert exactly(unpacked(odd)) == exactly(odd)


@pytest.mark.parametrize("value", [(3, 4), Decimal("1.50"), {1}, dt.date(2026, 1, 2), 1j, SHARED])
def test_the_dictionary_of_a_living_object_is_no_exception(value: object) -> None:
    holder = SimpleNamespace(number=1, value=value)
    assert exactly(unpacked(vars(holder))) == exactly({"number": 1, "value": value})
    both = [{1: 2}, vars(holder)]
    assert exactly(unpacked(both)) == exactly(both)


@pytest.mark.parametrize("other", [(1, 2), dt.datetime(2020, 1, 1, tzinfo=dt.UTC), 1j, [1], "two"])
def test_a_value_that_another_thread_changes_is_kept_as_it_was(
    monkeypatch: pytest.MonkeyPatch, other: object
) -> None:
    value: dict[str, object] = {"a": 1}
    copied = packing._copied

    def change_first(changed: Any, room: int) -> Any:
        changed["a"] = other
        return copied(changed, room)

    monkeypatch.setattr(packing, "_copied", change_first)
    assert unpacked(value) == {"a": 1}
    assert value == {"a": other}


def test_what_is_packed_takes_the_memory_that_it_tells_of() -> None:
    value = [{"id": 1, "text": "x" * 901}]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held = [pack(value) for _ in range(1000)]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert {unpack for _, unpack in held} == {unpack_plain}
    told = sum(packed.__sizeof__() for packed, _ in held)
    assert told <= taken < 1.15 * told  # with their pairs, and the list


def test_what_cannot_be_pickled_raises() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pack([lambda: None])


def test_what_cannot_be_unpickled_is_not_while_it_is_stored() -> None:
    packed, unpack = pack([Gone()])
    with pytest.raises(ValueError, match="no number"):
        unpack(packed)


class Zone(dt.tzinfo):
    """Empties a list whenever it is asked, as another thread may."""

    def __init__(self, emptied: list[Any]) -> None:
        self.emptied = emptied

    def __reduce__(self) -> tuple[Any, ...]:
        return str, ("zone",)

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        self.emptied.clear()
        return dt.timedelta(0)


def test_no_code_of_what_is_in_a_value_is_run() -> None:
    value: list[Any] = []
    value += [1, dt.datetime(2026, 1, 2, tzinfo=Zone(value)), *range(200)]
    assert pack([value])[1] is pack(value)[1] is unpickle
    assert len(value) == 202


def test_what_is_shared_many_times_over_is_not_spelt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []
    monkeypatch.setattr(packing, "_encode", encoded.append)
    value: list[Any] = []
    for _ in range(40):
        value = [value, value]
    assert pack(value)[1] is unpickle
    assert not encoded


class Gone:
    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
shared = st.sampled_from([SHARED, REPEATED, {"a": 1}, Seat.FRONT])
others = st.builds(Text, st.text()) | st.tuples(scalars) | st.binary().map(bytearray) | shared
values = st.recursive(
    scalars | others,
    lambda inner: st.lists(inner) | st.dictionaries(scalars, inner) | st.tuples(inner, inner),
)


@given(values)
def test_whichever_way_a_value_comes_back_as_unpickling_gives_it(value: Any) -> None:
    copy = pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    assert exactly(unpacked(value)) == exactly(copy)
    again = pickle.dumps(unpacked(value), pickle.HIGHEST_PROTOCOL)
    assert again == pickle.dumps(copy, pickle.HIGHEST_PROTOCOL)
