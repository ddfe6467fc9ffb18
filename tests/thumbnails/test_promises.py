from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from hypothesis import given, settings, strategies

from nothing_shared.signing import signer
from nothing_shared.thumbnails import linking, thumbnail_url
from nothing_shared.thumbnails.conf import thumbnail_settings
from nothing_shared.thumbnails.promises import (
    BrokenPromise,
    ForgedPromise,
    Promise,
    UnsafeName,
    name_version,
    safe_name,
)
from tests.thumbnails.mutations import attack

SIGNER = signer("thumbnails", is_short=True)


def read(url: str) -> Promise:
    path = unquote(url.removeprefix("/thumbs/"))
    return Promise.read(path, linking.promise_signer(thumbnail_settings()))


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "posters/night of the larch.jpg", "ä/ß — ü?#&%20+.jpg", "日本/写真.png", "a" * 900],
)
def test_a_promise_is_read_as_it_was_written(name: str) -> None:
    promise = Promise("default", name, "300x200-cover", "v7")
    assert Promise.read(unquote(promise.signed(SIGNER)), SIGNER) == promise


@settings(max_examples=50)
@given(
    strategies.text(min_size=1).filter(lambda name: not set(name) & set("/\\")),
    strategies.sampled_from(["", "7", "2f0a"]),
)
def test_any_safe_name_survives_its_url(name: str, version: str) -> None:
    try:
        safe_name(name)
    except UnsafeName:
        return
    promise = Promise("photos", name, "10x", version)
    url = promise.signed(SIGNER)
    assert url.isascii() and not set(url) & set('?#"<> ')
    assert Promise.read(unquote(url), SIGNER) == promise


@settings(max_examples=50)
@given(strategies.text())
def test_whatever_is_asked_for_ends_in_one_kind_of_error(path: str) -> None:
    with pytest.raises(BrokenPromise):
        Promise.read(path, SIGNER)
    with pytest.raises(ForgedPromise):
        Promise.read(f"{'A' * 16}/a/b/c/{path}", SIGNER)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../secret", "a/../b", "a//b", "a/./b", "a/", "a\\b", "a\0b", "a\nb", "\ud800",
     "a" * 1025],
)  # fmt: skip
def test_a_name_that_plays_tricks_gets_no_url_and_is_not_read_from_one(name: str) -> None:
    with pytest.raises(UnsafeName):
        thumbnail_url(name or "/", "10x")
    said = f"default/-/10x/{name}"
    if name.isprintable():
        with pytest.raises(BrokenPromise):
            Promise.read(f"{SIGNER.get_signature(said).decode()}/{said}", SIGNER)


def test_the_signature_covers_every_part_and_has_one_spelling() -> None:
    path = unquote(thumbnail_url("a/b.jpg", "300x200 cover", version=1)).removeprefix("/thumbs/")
    for at in range(len(path)):
        for letter in "A0/-.%":
            changed = path[:at] + letter + path[at + 1 :]
            if changed != path:
                with pytest.raises(BrokenPromise):
                    Promise.read(changed, SIGNER)
    for more in ("=", "A", "\n", " "):
        with pytest.raises(BrokenPromise):
            Promise.read(path[:16] + more + path[16:], SIGNER)


def test_a_signature_of_another_purpose_is_void() -> None:
    said = "default/-/10x/a.jpg"
    other = signer("tickets", is_short=True).get_signature(said).decode()
    with pytest.raises(ForgedPromise):
        Promise.read(f"{other}/{said}", SIGNER)


def test_urls_outlive_the_key_that_signed_them(settings: Any) -> None:
    old = thumbnail_url("a.jpg", "10x")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert read(old).name == "a.jpg"
    assert thumbnail_url("a.jpg", "10x") != old
    first = settings.SECRET_KEY_FALLBACKS[0]
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ForgedPromise):
        read(old)
    settings.NOTHING_SHARED_THUMBNAILS = {"FORMER_KEYS": [first]}
    assert read(old).name == "a.jpg"


def test_a_version_is_a_word_of_the_url_whatever_it_is() -> None:
    assert name_version(None) == name_version("") == ""
    assert name_version(7) == "7"
    assert name_version("2f-0a.b") == "2f-0a.b"
    assert len(name_version("a b")) == len(name_version("-")) == 16
    moment = datetime(2026, 11, 27, 17, 30, 0, 1, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=5)))
    assert name_version(moment) == name_version(elsewhere) == "1795800600000001"
    assert name_version(moment) != name_version(moment + timedelta(microseconds=1))


def test_a_base_url_stands_before_every_path(settings: Any) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {"BASE_URL": "https://cdn.example.com"}
    assert thumbnail_url("a.jpg", "10x").startswith("https://cdn.example.com/thumbs/")


def test_a_site_without_the_urls_is_told_what_to_write(settings: Any) -> None:
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    with pytest.raises(ImproperlyConfigured, match="urlpatterns"):
        thumbnail_url("a.jpg", "10x")


@pytest.mark.slow
@pytest.mark.django_db
def test_mutated_urls_draw_nothing_and_break_nothing(client: Client) -> None:
    """``python -m tests.thumbnails.mutations`` does it a million times."""
    tally = attack(2000, seed=4)
    assert tally.believed == 0 and not tally.broken
    assert tally.refused == 2000
