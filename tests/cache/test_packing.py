from __future__ import annotations

import math
import pickle
import struct
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum
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


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


SHARED: list[int] = []
PLAIN: list[Any] = [
    {},
    [],
    {"a": None, "b": True, "c": 2**64 - 1, "d": -(2**63), "e": 1.0, "f": "ü", "g": b"\xff"},
    {1: "one", None: "none", 2.5: 0, b"x": 1, "1": 2},
    [{"id": 1, "tags": ["new", []]}, {"id": 2, "tags": []}],
    nested(packing.DEEPEST),
    [0] * packing.MOST_ITEMS,
]
NOT_PLAIN: list[Any] = [
    {"a": 2**64},
    [-(2**63) - 1],
    ["\ud800"],
    {"\ud800": 1},
    [(1, 2)],
    {(1, 2): 3},
    [Text("x")],
    {Text("x"): 1},
    {Seat.FRONT: 1},
    [Seat.FRONT],
    [Point(1)],
    [bytearray(b"x")],
    [{1}],
    [frozenset({1})],
    OrderedDict(a=1),
    [OrderedDict(a=1)],
    [Decimal(1)],
    [1j],
    [SHARED, SHARED],
    {"a": SHARED, "b": [SHARED]},
    [SHARED, [[SHARED]]],
    nested(packing.DEEPEST + 1),
    [0] * (packing.MOST_ITEMS + 1),
    [[0] * packing.MOST_ITEMS],
    bytearray(b"x"),
]


def types_of(value: Any) -> Any:
    """Return a value with the type of all that is in it, in its order."""
    if isinstance(value, dict):
        return type(value), [(types_of(key), types_of(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [types_of(each) for each in value]
    return type(value), value


def short(value: object) -> str:
    return ascii(value)[:50]


@pytest.mark.parametrize("value", PLAIN, ids=short)
def test_a_plain_value_is_not_pickled(value: Any) -> None:
    packed, unpack = pack(value)
    assert unpack is unpack_plain
    assert types_of(unpack(packed)) == types_of(value)
    assert unpack(packed) is not unpack(packed)


@pytest.mark.parametrize("value", NOT_PLAIN, ids=short)
def test_what_would_come_back_as_another_is_pickled(value: Any) -> None:
    packed, unpack = pack(value)
    assert unpack is unpickle
    assert types_of(unpack(packed)) == types_of(value)


def test_what_is_in_two_places_stays_one_thing() -> None:
    for value in ([SHARED, SHARED], [[SHARED], SHARED]):
        packed, unpack = pack(value)
        got = unpack(packed)
        assert (got[0] if got[0] is got[1] else got[0][0]) is got[1]
    loop: list[Any] = [1]
    loop.append(loop)
    packed, unpack = pack(loop)
    got = unpack(packed)
    assert got[1] is got


def test_every_bit_of_a_float_is_kept() -> None:
    odd = [
        math.nan,
        -math.nan,
        -0.0,
        math.inf,
        5e-324,
        struct.unpack("<d", b"\1" * 6 + b"\xf8\x7f")[0],
    ]
    packed, unpack = pack(odd)
    assert unpack is unpack_plain
    bits = struct.Struct(f"<{len(odd)}d")
    assert bits.pack(*unpack(packed)) == bits.pack(*odd)


def test_the_dictionary_of_an_object_is_looked_into() -> None:
    class Holder:
        def __init__(self, value: object) -> None:
            self.value = value
            self.other = 1

    assert pack(vars(Holder("x"))) == pack({"value": "x", "other": 1})
    packed, unpack = pack(vars(Holder((1, 2))))
    assert unpack(packed)["value"] == (1, 2)


def test_what_cannot_be_pickled_raises() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pack([lambda: None])


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)  # fmt: skip
others = st.builds(Text, st.text()) | st.tuples(scalars) | st.binary().map(bytearray)
values = st.recursive(
    scalars | others,
    lambda inner: st.lists(inner) | st.dictionaries(scalars, inner) | st.tuples(inner, inner),
)


@given(values)
def test_whichever_way_a_value_comes_back_as_it_was(value: Any) -> None:
    packed, unpack = pack(value)
    assert types_of(unpack(packed)) == types_of(value)
