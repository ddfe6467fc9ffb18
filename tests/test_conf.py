from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from nothing_shared.checks import settings_errors
from nothing_shared.conf import InvalidSetting, option, options, parse, problems, read
from nothing_shared.kinds import describe


def is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


@dataclass(frozen=True)
class Sample:
    directory: Path | None = option(None, "Where the files lie.")
    lease: float = option(2.0, "Seconds.", minimum=0.1, maximum=60)
    slots: int = option(1024, "How many.", minimum=2, rule=("a power of two", is_power_of_two))
    tickets: bool = option(True, "Whether.")
    name: str = option("node", "Who.")
    when: Literal["miss", "serve"] = option("miss", "What to do.")
    same: Mapping[str, str] = option({}, "Which is which.")
    tables: tuple[str, ...] = option((), "Which.")
    extra: Mapping[str, Any] = option({}, "More.")


def problem(**given: object) -> str:
    (found,) = problems("SAMPLE", Sample, given=given)
    return found


def test_every_key_is_optional() -> None:
    assert read("NOTHING_SHARED_SAMPLE", Sample) == Sample()
    with override_settings(NOTHING_SHARED_SAMPLE={}):
        assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 2.0


def test_settings_are_read_on_each_access() -> None:
    with override_settings(NOTHING_SHARED_SAMPLE={"LEASE": 5}):
        assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 5.0
        with override_settings(NOTHING_SHARED_SAMPLE={"LEASE": 6}):
            assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 6.0
        assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 5.0
    assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 2.0


def test_a_dict_changed_in_place_is_read_anew() -> None:
    given = {"LEASE": 5}
    with override_settings(NOTHING_SHARED_SAMPLE=given):
        assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 5.0
        given["LEASE"] = 7
        assert read("NOTHING_SHARED_SAMPLE", Sample).lease == 7.0


def test_two_dataclasses_may_read_one_setting() -> None:
    @dataclass(frozen=True)
    class Other:
        lease: int = option(1, "Seconds.")

    with override_settings(NOTHING_SHARED_SAMPLE={"LEASE": 5}):
        assert type(read("NOTHING_SHARED_SAMPLE", Sample).lease) is float
        assert type(read("NOTHING_SHARED_SAMPLE", Other).lease) is int


def test_values_come_in_the_annotated_type() -> None:
    given = {"DIRECTORY": "/somewhere", "LEASE": 3, "TABLES": ["a", "b"], "SAME": {"a": "b"}}
    parsed = parse("SAMPLE", given, Sample)
    assert parsed.directory == Path("/somewhere")
    assert (type(parsed.lease), parsed.lease) == (float, 3.0)
    assert parsed.tables == ("a", "b")
    assert parsed.same == {"a": "b"}


def test_nobody_can_change_a_default() -> None:
    with pytest.raises(TypeError):
        parse("SAMPLE", {}, Sample).same["a"] = "b"  # type: ignore[index]


@pytest.mark.parametrize("key", ["LAESE", "lease", "Lease", "LEASES"])
def test_an_unknown_key_is_an_error_that_guesses_what_was_meant(key: str) -> None:
    found = problem(**{key: 2.0})
    assert f"SAMPLE has an unknown key {key!r}." in found
    assert 'Did you mean "LEASE"?' in found


def test_an_unknown_key_like_no_other_lists_the_known_ones() -> None:
    found = problem(XYZZY=1)
    assert "Did you mean" not in found
    assert "Allowed: DIRECTORY, LEASE, SLOTS" in found


@pytest.mark.parametrize(
    ("key", "value", "why", "allowed"),
    [
        ("LEASE", "2", "of type str", "a number of at least 0.1 and at most 60"),
        ("LEASE", True, "of type bool", "a number"),
        ("LEASE", None, "None", "a number"),
        ("LEASE", 0.05, "too small", "at least 0.1"),
        ("LEASE", 61, "too large", "at most 60"),
        ("LEASE", float("nan"), "not finite", "a number"),
        ("LEASE", float("inf"), "not finite", "a number"),
        ("SLOTS", 1024.0, "of type float", "an integer"),
        ("SLOTS", 1000, "not a power of two", "a power of two (an integer) of at least 2"),
        ("TICKETS", 1, "of type int", "True or False"),
        ("NAME", b"node", "of type bytes", "a string"),
        ("DIRECTORY", 3, "of type int", "a path or None"),
        ("DIRECTORY", "", "empty", "a path or None"),
        ("WHEN", "mis", "not one of these", "'miss' or 'serve'"),
        ("SAME", ["a"], "of type list", "a dict, each key a string, each value a string"),
        ("SAME", {"a": 1}, "unfit, since 1 in it is of type int", "a dict"),
        ("TABLES", "abc", "of type str", "a list or tuple, each item a string"),
        ("TABLES", ["a", 3], "unfit, since 3 in it is of type int", "a list or tuple"),
    ],
)
def test_an_error_says_what_and_why_and_what_is_allowed(
    key: str, value: object, why: str, allowed: str
) -> None:
    found = problem(**{key: value})
    assert found.startswith(f'SAMPLE["{key}"] = {value!r} is {why}; allowed: ')
    assert allowed in found


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse("SAMPLE", {"LEASE": 0, "SLOTS": "many", "X": 1}, Sample)
    assert len(str(caught.value).splitlines()) == 3
    assert isinstance(caught.value, ImproperlyConfigured)


@override_settings(NOTHING_SHARED_SAMPLE=["LEASE"])
def test_a_setting_that_is_no_dict_is_an_error() -> None:
    with pytest.raises(InvalidSetting, match="is of type list; allowed: a dict"):
        read("NOTHING_SHARED_SAMPLE", Sample)


@override_settings(NOTHING_SHARED_SAMPLE={"LEASE": -1})
def test_a_wrong_setting_stays_wrong_at_the_second_reading() -> None:
    for _ in range(2):
        with pytest.raises(InvalidSetting):
            read("NOTHING_SHARED_SAMPLE", Sample)


@override_settings(NOTHING_SHARED_SAMPLE={"LAESE": 2.0})
def test_a_check_gives_the_defaults_as_a_hint_to_paste() -> None:
    (error,) = settings_errors("NOTHING_SHARED_SAMPLE", Sample, id="nothing_shared_sample.E001")
    assert error.id == "nothing_shared_sample.E001"
    assert 'NOTHING_SHARED_SAMPLE = {"DIRECTORY": None, "LEASE": 2.0' in (error.hint or "")


def test_options_describe_themselves_for_the_reference() -> None:
    lease = {known.key: known for known in options(Sample)}["LEASE"]
    assert (lease.default, lease.doc) == (2.0, "Seconds.")
    assert lease.allowed == "a number of at least 0.1 and at most 60"


def test_an_annotation_nobody_can_check_is_refused() -> None:
    with pytest.raises(TypeError, match="is no kind of setting"):
        describe(set)
