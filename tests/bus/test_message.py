from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings as examples, strategies as st

from nothing_shared.bus.message import Forged, Kind, Message, Unreadable, seal, unseal
from nothing_shared.signing import signer

SIGNER = signer("bus.tests", is_short=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NUMBERS = st.integers(0, 2**64 - 1)
MESSAGES = st.builds(
    Message, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(Kind), st.text(max_size=20), JSON
)


def message(payload: Any = None) -> Message:
    return Message(7, 3, 1_000, Kind.MESSAGE, "sold", payload)


def signed(*fields: Any) -> bytes:
    return SIGNER.sign(json.dumps(fields).encode())


@given(MESSAGES)
@examples(max_examples=50, deadline=None)
def test_what_is_sealed_is_unsealed(sent: Message) -> None:
    assert unseal(seal(sent, SIGNER), SIGNER) == sent


@given(sent=MESSAGES, position=st.integers(0, 2**16), byte=st.integers(0, 255))
@examples(max_examples=50, deadline=None)
def test_a_changed_byte_is_a_forgery_or_changes_nothing(
    sent: Message, position: int, byte: int
) -> None:
    packet = bytearray(seal(sent, SIGNER))
    packet[position % len(packet)] = byte
    with suppress(Forged):
        assert unseal(bytes(packet), SIGNER) == sent


def test_every_byte_of_the_message_itself_is_guarded() -> None:
    packet = seal(message({"event": 5}), SIGNER)
    body = packet.rindex(b".")
    for position in range(body + 1):
        changed = bytearray(packet)
        changed[position] ^= 1
        with pytest.raises(Forged):
            unseal(bytes(changed), SIGNER)


@given(st.binary(max_size=200))
@examples(max_examples=50, deadline=None)
def test_noise_is_a_forgery(noise: bytes) -> None:
    with pytest.raises(Forged):
        unseal(noise, SIGNER)


def test_another_sites_message_is_a_forgery(settings: Any) -> None:
    theirs = seal(message(), signer("bus.tests", is_short=True))
    settings.SECRET_KEY = "another site's key, long enough to be a key and to be a secret"
    with pytest.raises(Forged):
        unseal(theirs, signer("bus.tests", is_short=True))


def test_a_message_of_another_namespace_is_a_forgery() -> None:
    with pytest.raises(Forged):
        unseal(seal(message(), SIGNER), signer("bus.other", is_short=True))


def test_a_message_signed_with_a_fallback_key_is_believed(settings: Any) -> None:
    old = settings.SECRET_KEY
    sent = seal(message(), signer("bus.tests", is_short=True))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key", [old]
    assert unseal(sent, signer("bus.tests", is_short=True)) == message()


def test_a_message_of_another_version_is_not_understood() -> None:
    with pytest.raises(Unreadable, match="version 2") as raised:
        unseal(signed(2, 7, 3, 1_000, "message", "sold", None), SIGNER)
    assert not isinstance(raised.value, Forged)


def test_a_message_of_an_unknown_kind_is_not_understood() -> None:
    with pytest.raises(Unreadable, match="unknown kind 'shout'"):
        unseal(signed(1, 7, 3, 1_000, "shout", "sold", None), SIGNER)


def circular() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


def deep(levels: int = 100_000) -> list[Any]:
    inner: list[Any] = []
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "payload", [b"bytes", {1, 2}, object(), float("nan"), float("inf"), circular(), deep()],
    ids=["bytes", "set", "object", "nan", "infinity", "circular", "deep"],
)  # fmt: skip
def test_what_is_not_json_is_a_type_error(payload: Any) -> None:
    with pytest.raises(TypeError):
        seal(message(payload), SIGNER)


def test_a_message_has_a_name_among_all_others() -> None:
    names = {Message(origin, number, 0, Kind.MESSAGE).id for origin in (1, 17) for number in (1, 7)}
    assert len(names) == 4
