from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from nothing_shared.sessions.jar import Jar, chunks_of, data_name

NAME = "__Host-s"


@pytest.mark.parametrize(
    "name",
    [
        "\u2000__Host-s".encode().decode("latin-1"),
        "\u0085__Host-s".encode().decode("latin-1"),
        "\xa0__Host-s",
        "\x85__Host-s",
        "__host-s",
        "__Host-s\x00",
        '"__Host-s"',
        "",
    ],
)
def test_a_name_that_only_looks_like_the_sessions_is_another(name: str) -> None:
    jar = Jar(f"{name}=EVIL; other=1")
    assert jar.candidates(NAME) == []
    assert jar.names(NAME) == []
    assert Jar(f"{NAME}=mine; {name}=EVIL").candidates(NAME) == ["mine"]


def test_a_nameless_cookie_is_none() -> None:
    assert Jar(f"={NAME}=EVIL").candidates(NAME) == []
    assert Jar(f"{NAME}").candidates(NAME) == []


def test_cookies_of_one_name_are_all_seen_once() -> None:
    assert Jar(f"{NAME}=one; {NAME}=two; {NAME}=one").candidates(NAME) == ["one", "two"]
    assert Jar("; ".join(f"{NAME}={n}" for n in range(100))).candidates(NAME) == []


@given(st.integers(1, 12_200), st.integers(1, 3))
def test_a_token_is_cut_into_cookies_that_browsers_keep_and_joined_again(
    size: int, most: int
) -> None:
    name, token = data_name("sessionid"), "ab" * (size // 2) + "c" * (size % 2)
    cookies = chunks_of(name, token, most=most)
    if cookies is None:
        assert size + len(name) > most * 4000
        return
    assert len(cookies) <= most
    assert all(len(key) + len(value) <= 4096 for key, value in cookies.items())
    jar = Jar("; ".join(f"{key}={value}" for key, value in cookies.items()))
    assert jar.candidates(name) == [token]


def test_a_chunk_that_is_missing_or_there_twice_makes_none() -> None:
    cookies = chunks_of("s", "x" * 6000, most=2)
    assert cookies is not None and list(cookies) == ["s", "s.1"]
    assert Jar(f"s={cookies['s']}").candidates("s") == []
    twice = f"s={cookies['s']}; s.1={cookies['s.1']}; s.1=other"
    assert Jar(twice).candidates("s") == []


def test_chunks_that_are_left_over_are_passed_by_and_named() -> None:
    jar = Jar("s=short; s.1=left; s_data=d; s_data.2=e")
    assert jar.candidates("s") == ["short"]
    assert jar.names("s") == ["s", "s.1", "s_data", "s_data.2"]
