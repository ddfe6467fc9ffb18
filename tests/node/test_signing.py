from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings as examples, strategies as st
from itsdangerous import Signer

from nothing_shared.signing import BadSignature, signer

VALUE = b"somebody bought a ticket"


def accepts(packet: bytes, purpose: str = "tests") -> bool:
    try:
        return signer(purpose).unsign(packet) == VALUE
    except BadSignature:
        return False


def keys(settings: Any, current: str, *fallbacks: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = current, list(fallbacks)


def test_what_was_signed_with_the_old_key_is_accepted_after_the_new_one_is_deployed(
    settings: Any,
) -> None:
    keys(settings, "old")
    packet = signer("tests").sign(VALUE)
    keys(settings, "new", "old")
    assert accepts(packet)


def test_what_was_signed_with_the_new_key_is_accepted_where_it_is_only_announced(
    settings: Any,
) -> None:
    keys(settings, "new", "old")
    packet = signer("tests").sign(VALUE)
    keys(settings, "old", "new")
    assert accepts(packet)


def test_it_is_the_current_key_that_signs(settings: Any) -> None:
    keys(settings, "new", "older", "old")
    packet = signer("tests").sign(VALUE)
    keys(settings, "new")
    assert accepts(packet)
    keys(settings, "old", "older")
    assert not accepts(packet)


def test_a_dropped_key_is_void(settings: Any) -> None:
    keys(settings, "old")
    packet = signer("tests").sign(VALUE)
    keys(settings, "new")
    assert not accepts(packet)


def test_purposes_are_separate() -> None:
    packet = signer("tests").sign(VALUE)
    assert accepts(packet)
    assert not accepts(packet, "tests2")
    assert not accepts(packet, "test")
    assert not accepts(packet, "")


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
@examples(max_examples=50, deadline=None)
def test_a_changed_byte_is_noticed_or_changes_nothing(position: int, byte: int) -> None:
    packet = bytearray(signer("tests").sign(VALUE))
    packet[position % len(packet)] = byte
    with suppress(BadSignature):
        assert signer("tests").unsign(bytes(packet)) == VALUE


@given(cut=st.integers(0, 200), more=st.binary(max_size=20))
@examples(max_examples=50, deadline=None)
def test_a_shortened_or_lengthened_packet_is_noticed_or_the_same(cut: int, more: bytes) -> None:
    packet = signer("tests").sign(VALUE)
    with suppress(BadSignature):
        assert signer("tests").unsign(packet[:cut] + more) == VALUE


def test_fallbacks_that_are_a_text_are_refused_for_each_letter_would_be_a_key(
    settings: Any,
) -> None:
    settings.SECRET_KEY_FALLBACKS = "old key"
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FALLBACKS is of type str"):
        signer("tests")


# The short way is the same way


@given(st.binary(), st.booleans())
@examples(max_examples=100, deadline=None)
def test_a_signature_is_the_one_that_itsdangerous_makes(value: bytes, is_short: bool) -> None:
    ours = signer("tests", is_short=is_short)
    theirs = as_itsdangerous(ours)
    assert ours.sign(value) == theirs.sign(value)
    assert theirs.unsign(ours.sign(value)) == value


@given(st.data(), st.booleans())
@examples(max_examples=200, deadline=None)
def test_what_itsdangerous_accepts_is_accepted_and_nothing_else(
    data: st.DataObject, is_short: bool
) -> None:
    ours = signer("tests", is_short=is_short)
    theirs = as_itsdangerous(ours)
    packet = bytearray(theirs.sign(VALUE) + data.draw(st.sampled_from([b"", b"=", b"==", b"."])))
    for _ in range(data.draw(st.integers(0, 2))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    assert ours.validate(bytes(packet)) == theirs.validate(bytes(packet))


def as_itsdangerous(ours: Signer) -> Signer:
    """Return a signer without what this package adds."""
    return Signer(
        ours.secret_keys, ours.salt, ours.sep, ours.key_derivation, ours.digest_method,
        ours.algorithm,
    )  # fmt: skip


def test_a_list_of_old_keys_that_was_changed_in_place_is_seen(settings: Any) -> None:
    keys(settings, "old")
    packet = signer("tests").sign(VALUE)
    keys(settings, "new")
    assert not accepts(packet)
    settings.SECRET_KEY_FALLBACKS.append("old")
    assert accepts(packet)
