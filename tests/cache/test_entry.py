from __future__ import annotations

import copy
import datetime as dt
import pickle
import tracemalloc
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from nothing_shared.cache import entry as entries
from nothing_shared.cache.entry import Entry, decode, encode, register_text
from nothing_shared.clock import NEVER

TABLE = 2**63 + 17

IMMUTABLE = [
    None,
    True,
    -(2**80),
    1.5,
    1j,
    "",
    "grüße \ud800",
    b"\x00raw",
    Decimal("1.10"),
    UUID(int=7),
    dt.date(2026, 11, 1),
    dt.datetime(2026, 11, 1, 12, 30),  # noqa: DTZ001
    dt.datetime(2026, 11, 1, 12, 30, tzinfo=dt.UTC),
    dt.timedelta(days=1),
    (),
    (1, ("two", frozenset({b"3"}), None)),
]


def nested(depth: int) -> list[Any]:
    """Return lists in lists, which unpickling has no trouble with."""
    value: list[Any] = []
    for number in range(depth):
        value = [value, number, "a", "b", "c"]
    return value


COPIED: list[Any] = [
    {},
    [1, 2],
    {("two", b"3")},
    {"a": 1, (2, "b"): (3.5, None), None: Decimal("1.10")},
    [
        {"id": 1, "name": "one", "price": 1.5, "tags": ["new"]},
        {"id": 2, "name": "two", "price": 2.5},
    ],
    {"rows": [[1, 2, 3, 4, 5], [6, 7, 8, 9, {10}]], "a": 1, "b": 2, "c": 3, "d": 4},
]
MUTABLE: list[Any] = [
    *COPIED,
    {"a": [1]},
    ([],),
    (dt.datetime(2026, 11, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),),
    tuple(range(1000)),
    bytearray(b"x"),
    [bytearray(b"x")],
    OrderedDict(a=1),
    [list(range(300))],
    [[number] for number in range(200)],
    ["x" * 20_000],
    nested(100),
]


class Text(str):
    __slots__ = ()


class Other(str):
    __slots__ = ()


class Touchy:
    """Can't be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


@pytest.fixture
def text() -> Iterator[type[Text]]:
    register_text(Text, code=200)
    yield Text
    entries.IMMUTABLE.discard(Text)
    entries._codes.pop(Text)
    entries._texts.pop(200)


def make(value: object, slots: tuple[int, ...] = (3, 2**32 - 1)) -> Entry:
    return Entry.of(value, begun=5, expires=NEVER, slots=slots)


def settle(entry: Entry) -> None:
    found = entry.look()
    if found is not None:
        entry.keep(found)


def through_l2(entry: Entry) -> Entry:
    decoded = decode(encode(entry, TABLE), TABLE)
    assert decoded is not None
    return decoded


@pytest.mark.parametrize("value", IMMUTABLE, ids=repr)
def test_an_immutable_value_is_handed_out_as_it_is(value: object) -> None:
    assert make(value).load() is value


@pytest.mark.parametrize("value", MUTABLE, ids=lambda value: repr(value)[:60])
def test_of_a_mutable_value_everybody_gets_their_own(value: object) -> None:
    entry = make(value)
    for _ in range(3):
        assert entry.load() == entry.load() == value
        assert entry.load() is not entry.load()
        settle(entry)


@pytest.mark.parametrize("value", COPIED, ids=repr)
def test_a_small_collection_can_be_copied(value: Any) -> None:
    for entry in (make(value), through_l2(make(value))):
        assert entry.packed is not None
        settle(entry)
        assert entry.packed is None
        first = entry.load()
        spoil(first)
        assert entry.load() == value and type(entry.load()) is type(value)
        assert through_l2(entry).load() == value


def spoil(value: Any) -> None:
    """Change all that can be changed in a value, from the inside out."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list, set)):
            spoil(item)
    if isinstance(value, dict):
        value["new"] = None
    elif isinstance(value, list):
        value.append("new")
    else:
        value.add("new")


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)
keys = scalars | st.tuples(scalars, scalars)
values = st.recursive(
    keys | st.frozensets(scalars) | st.sets(scalars),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner),
)


@given(values)
def test_copied_or_not_a_value_is_what_it_was_and_nobody_else_s(value: Any) -> None:
    entry, was = make(value), copy.deepcopy(value)
    for _ in range(3):
        got = entry.load()
        assert (got, type(got)) == (was, type(was))
        if isinstance(got, (dict, list, set)):
            spoil(got)
        settle(entry)
    assert through_l2(entry).load() == was


def test_what_is_in_two_places_of_a_value_stays_one_thing() -> None:
    shared: list[int] = []
    entry = make([shared, shared])
    settle(entry)
    got: Any = entry.load()
    assert got[0] is got[1]
    loop: list[Any] = []
    loop.append(loop)
    entry = make(loop)
    settle(entry)
    got = entry.load()
    assert got[0] is got


@pytest.mark.parametrize("value", [*IMMUTABLE, *MUTABLE], ids=lambda value: repr(value)[:60])
def test_a_value_comes_out_of_l2_with_its_type_times_and_slots(value: object) -> None:
    decoded = through_l2(make(value))
    loaded = decoded.load()
    assert (loaded, type(loaded)) == (value, type(value))
    assert (decoded.begun, decoded.expires, decoded.slots) == (5, NEVER, (3, 2**32 - 1))
    assert through_l2(decoded).load() == value


def test_an_immutable_value_out_of_l2_is_unpickled_once() -> None:
    decoded = through_l2(make(Decimal("2.5")))
    assert decoded.load() is decoded.load()


def test_a_registered_text_keeps_its_class_and_is_not_pickled(text: type[Text]) -> None:
    value = text("<b>bold</b>")
    assert make(value).load() is value
    record = encode(make(value), TABLE)
    assert record.endswith(b"<b>bold</b>")
    assert type(through_l2(make(value)).load()) is text


def test_a_text_is_not_taken_for_its_base_class() -> None:
    assert type(through_l2(make(Other("x"))).load()) is Other


def test_a_code_stands_for_one_class(text: type[Text]) -> None:
    register_text(text, code=200)
    with pytest.raises(ValueError, match="one code per class"):
        register_text(Other, code=200)
    with pytest.raises(ValueError, match=r"16 \.\. 255"):
        register_text(Other, code=3)


def test_an_unknown_text_class_is_a_miss(text: type[Text]) -> None:
    record = bytearray(encode(make(text("x")), TABLE))
    record[1] = 201
    assert decode(bytes(record), TABLE) is None


def test_what_cannot_be_pickled_raises_where_it_is_stored() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        make(lambda: None)


def test_decoding_unpickles_nothing() -> None:
    decoded = through_l2(make(Touchy()))
    with pytest.raises(ValueError, match="no number"):
        decoded.load()


def test_another_tables_entry_is_a_miss() -> None:
    assert decode(encode(make("x"), TABLE), TABLE + 1) is None


def test_another_formats_entry_is_a_miss() -> None:
    record = encode(make("x"), TABLE)
    assert decode(bytes([record[0] + 1]) + record[1:], TABLE) is None


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}], ids=repr)
def test_a_torn_record_is_a_miss(value: object) -> None:
    record = encode(make(value), TABLE)
    assert all(decode(record[:length], TABLE) is None for length in range(len(record)))
    assert decode(record + b"x", TABLE) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_miss(junk: bytes) -> None:
    assert decode(junk, TABLE) is None


@given(st.data())
def test_a_damaged_record_never_raises(data: st.DataObject) -> None:
    record = bytearray(encode(make("grüße"), TABLE))
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    decode(bytes(record), TABLE)


def test_a_hundred_kilobytes_are_stored_as_they_are() -> None:
    value = b"x" * 100_000
    record = encode(make(value), TABLE)
    assert len(record) == len(value) + 32 + 2 * 4
    assert through_l2(make(value)).load() == value


def test_an_entry_costs_what_it_says() -> None:
    """To a tenth: sizes count what the entry holds, its overhead what L1's queues and table take."""
    from nothing_shared.cache.l1 import L1

    rows = [{"id": number, "name": f"name {number}"} for number in range(10)]
    for value in ("x" * 50, [list(range(300))], b"y" * 5000, {"a": 1.5, "b": "c" * 200}, rows):
        tier, count = L1(2**26), 3000
        tracemalloc.start()
        for number in range(count):
            # Names and slots that nobody shares.
            slots = (10_000 + number, 20_000 + number)
            fresh = pickle.loads(pickle.dumps(value))
            entry = Entry.of(fresh, begun=2**40 + number, expires=2**50 + number, slots=slots)
            tier.put(f"some.name.{number}", entry)
            for _ in range(3):
                tier.visit(f"some.name.{number}", entry)
            fresh = entry = None
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 0.95 < tier.bytes / used < 1.35, value
