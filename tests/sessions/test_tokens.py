from __future__ import annotations

import zlib
from random import Random
from typing import Any

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from hypothesis import given, settings, strategies as st

from nothing_shared.sessions import header as headers, sealing
from nothing_shared.sessions.deflating import MAX_INFLATED, deflated, inflated
from nothing_shared.sessions.errors import BadToken
from nothing_shared.sessions.header import Header, Kind, flags_of, is_newer
from nothing_shared.sessions.keys import KeyRing, purpose_of
from nothing_shared.sessions.lines import choose, open_line
from nothing_shared.sessions.merging import merged
from nothing_shared.sessions.packing import biggest_keys, pack, split, unpack
from tests.sessions.mutations import NOW, codec_of, originals, run

JSON = JSONSerializer()

scalars = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(), scalars, max_size=3)
own_keys = st.sampled_from(
    ["_auth_user_id", "_auth_user_backend", "_auth_user_hash", "_session_expiry", "~1", "~~", "~"]
)
contents = st.dictionaries(own_keys | st.text(), values, max_size=6)
heads = st.builds(
    Header,
    flags=st.sampled_from([flags_of(kind) for kind in Kind]),
    sid=st.binary(min_size=16, max_size=16),
    born=st.integers(0, 2**32 - 1),
    issued=st.integers(0, 2**32 - 1),
    expires=st.integers(0, 2**32 - 1),
    generation=st.integers(0, 2**32 - 1),
    counter=st.integers(0, 2**16 - 1),
)


@given(contents)
@settings(max_examples=60, deadline=None)
def test_what_is_packed_is_what_json_makes_of_it(content: dict[str, Any]) -> None:
    assert unpack(pack(content, JSON.dumps), JSON.loads) == JSON.loads(JSON.dumps(content))


@given(heads, st.binary(max_size=3000), st.booleans())
@settings(deadline=None)
def test_a_token_says_what_was_put_into_it(head: Header, body: bytes, seals: bool) -> None:
    codec = codec_of(b"key", seals=seals)
    token = codec.encode(head, body)
    opened = codec.decode(token.text)
    assert (opened.header, opened.packed) == (token.header, body)
    assert opened.header._replace(flags=head.flags) == head
    assert opened.header.is_sealed == seals


@given(st.text() | st.text(alphabet="AQIDBAUG-_", min_size=90, max_size=300))
def test_nobody_elses_text_is_a_token(text: str) -> None:
    with pytest.raises(BadToken):
        codec_of(b"key").decode(text)


@given(st.data())
@settings(deadline=None)
def test_a_token_with_any_part_replaced_is_none(data: st.DataObject) -> None:
    token = data.draw(st.sampled_from(originals(Random(1))))
    at = data.draw(st.integers(0, len(token.text)))
    to = data.draw(st.integers(at, len(token.text)))
    put = data.draw(st.text(alphabet="Aa0-_=. ~\u2000", max_size=5))
    changed = token.text[:at] + put + token.text[to:]
    if changed != token.text:
        with pytest.raises(BadToken):
            codec_of(b"old", b"new").decode(changed)


def test_mutated_cookies_are_refused_at_the_cost_of_one_hash() -> None:
    refused = run(6_000, seed=7)
    assert len(refused) == 12, "every kind of mutation took place"


def test_a_login_takes_fewer_bytes_than_djangos_and_says_more() -> None:
    user = {
        "_auth_user_id": "12345",
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }
    head = Header(flags_of(Kind.LOGIN), bytes(16), NOW, NOW, NOW + 1000)
    assert len(codec_of(b"key").encode(head, pack(user, JSON.dumps)).text) <= 150


def test_a_token_of_one_kind_passes_for_no_other() -> None:
    codec = codec_of(b"key")
    raw = codec.encode(Header(flags_of(Kind.DATA), bytes(16), NOW, NOW, NOW + 1000), b"\0").text
    line = open_line(raw, codec, lambda head: True)
    assert line.main is None, "data is nobody's login"


def test_the_parts_of_a_purpose_can_t_be_shifted() -> None:
    assert purpose_of("ab", "c") != purpose_of("a", "bc")


def test_keys_are_found_by_their_id_and_the_last_one_signs() -> None:
    ring = KeyRing([b"oldest", b"old", b"current"], b"purpose")
    assert ring.newest.derived == KeyRing([b"current"], b"purpose").newest.derived
    assert [key.derived for key in ring.find(ring.newest.id)] == [ring.newest.derived]
    strange = KeyRing([b"strange"], b"purpose").newest
    assert list(ring.find(strange.id)) == []


def test_what_an_old_key_made_is_known_as_such() -> None:
    head = Header(flags_of(Kind.WHOLE), bytes(16), NOW, NOW, NOW + 1000)
    old = codec_of(b"old").encode(head, b"\0")
    assert not codec_of(b"old", b"new").decode(old.text).is_of_newest_key
    assert codec_of(b"new", b"old").decode(old.text).is_of_newest_key


def test_small_sessions_are_never_compressed() -> None:
    assert deflated(b"a" * 1024) is None
    assert deflated(b"a" * 2000) is not None


@given(st.binary(min_size=1025, max_size=4000), st.integers(1, 40))
def test_the_length_of_what_is_compressed_tells_nothing_below_a_block(
    body: bytes, times: int
) -> None:
    small = deflated(body * times)
    if small is not None:
        assert len(small) % 64 == 0
        assert inflated(small) == body * times


def test_a_guess_of_one_more_letter_does_not_show_in_the_length() -> None:
    """What CRIME needs: a right guess beside the secret makes the cookie shorter."""
    secret = "token=8f14e45fceea167a"
    filler = "".join(Random(3).choices("abcdefghij", k=1500))

    def length(guess: str) -> int:
        body = JSON.dumps({"secret": secret, "said": guess, "filler": filler})
        return len(deflated(body) or b"")

    lengths = {length(f"token={letter}") for letter in "0123456789abcdef"}
    assert len(lengths) == 1


def test_a_bomb_is_not_inflated() -> None:
    with pytest.raises(BadToken):
        inflated(zlib.compress(bytes(MAX_INFLATED + 1), wbits=-15))


def test_sealed_sessions_can_t_be_read_and_two_of_one_content_differ() -> None:
    codec = codec_of(b"key", seals=True)
    head = Header(flags_of(Kind.WHOLE), bytes(16), NOW, NOW, NOW + 1000)
    one, two = codec.encode(head, b"secret"), codec.encode(head, b"secret")
    assert one.text != two.text
    assert b"secret" not in one.text.encode()
    assert codec_of(b"key").decode(one.text).packed == b"secret", "whatever the site seals now"


@given(st.integers(0, 24))
def test_the_length_of_what_is_sealed_is_rounded_up(size: int) -> None:
    codec = codec_of(b"key", seals=True)
    head = Header(flags_of(Kind.WHOLE), bytes(16), NOW, NOW, NOW + 1000)
    assert len(codec.encode(head, bytes(size)).text) == len(codec.encode(head, b"").text)


def test_without_cryptography_a_seal_is_refused_and_the_extra_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head = Header(flags_of(Kind.WHOLE), bytes(16), NOW, NOW, NOW + 1000)
    sealed = codec_of(b"key", seals=True).encode(head, b"secret")
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    for name in list(__import__("sys").modules):
        if name.startswith("cryptography."):
            monkeypatch.setitem(__import__("sys").modules, name, None)
    assert not sealing.is_available()
    with pytest.raises(BadToken):
        codec_of(b"key").decode(sealed.text)
    with pytest.raises(ImportError, match=r"nothing-shared\[sealed\]"):
        codec_of(b"key", seals=True).encode(head, b"secret")


@given(st.integers(0, 2**16 - 1), st.integers(1, 2**15 - 1))
def test_counters_wrap_around(count: int, step: int) -> None:
    later = (count + step) % 2**16
    assert is_newer(later, count) and not is_newer(count, later)
    assert not is_newer(count, count)


def test_a_header_of_another_release_is_no_token() -> None:
    raw = bytearray(headers.pack(Header(0, bytes(16), NOW, NOW, NOW), 1))
    raw[0] = 2
    with pytest.raises(BadToken):
        headers.kind_of(bytes(raw))


def test_a_session_without_a_user_is_all_data() -> None:
    assert split({"colour": "green", "_session_expiry": 5}) == (
        {},
        {"colour": "green", "_session_expiry": 5},
    )
    login, data = split({"_auth_user_id": "1", "_session_expiry": 5, "colour": "green"})
    assert login == {"_auth_user_id": "1", "_session_expiry": 5}
    assert data == {"colour": "green"}


def test_the_biggest_keys_come_first() -> None:
    content = {"a": "x", "b": "x" * 500, "c": "x" * 50, "d": "x" * 5000}
    assert [key for key, _ in biggest_keys(content, JSON.dumps)] == ["d", "b", "c"]


def token_texts(*sids: bytes) -> list[str]:
    codec = codec_of(b"key")
    return [
        codec.encode(Header(flags_of(Kind.LOGIN), sid, NOW, NOW, NOW + 1000, 0, number), b"\0").text
        for number, sid in enumerate(sids)
    ]


def test_of_several_cookies_of_one_name_the_newest_of_one_session_counts() -> None:
    codec = codec_of(b"key")
    old, new = token_texts(bytes(16), bytes(16))
    logins = (Kind.LOGIN,)

    def chosen(*texts: str, ended: str = "") -> str | None:
        token = choose(texts, codec, logins, lambda token: token.text != ended)
        return token and token.text

    assert chosen(old, new) == chosen(new, old) == new
    mine, theirs = token_texts(bytes(16), b"x" * 16)
    assert chosen(mine, theirs) is None, "a cookie was slipped in"
    assert chosen(mine, theirs, ended=theirs) == mine, "was left behind by a session that has ended"
    assert chosen(mine, "another site's") == mine
    assert chosen() is None
    assert choose([mine], codec, (Kind.DATA,)) is None


keyed = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3))


@given(keyed, keyed, keyed)
def test_what_either_of_two_requests_changed_stands(
    base: dict[str, int], mine: dict[str, int], newer: dict[str, int]
) -> None:
    result = merged(base, mine, newer)
    for key in "abcde":
        changed_here = base.get(key) != mine.get(key)
        assert result.get(key) == (mine if changed_here else newer).get(key)
