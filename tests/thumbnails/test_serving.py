from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import transaction
from django.test import Client, override_settings
from PIL import Image

from nothing_shared.node import slots
from nothing_shared.thumbnails import forget, thumbnail_url, workshop
from nothing_shared.thumbnails.signals import thumbnail_drawn
from tests.thumbnails.pictures import colour_of, jpeg, upload

NAME = "posters/night of the larch.jpg"


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[Path]:
    with override_settings(
        MEDIA_ROOT=tmp_path / "media",
        NOTHING_SHARED_THUMBNAILS={"DIRECTORY": tmp_path / "drawn"},
    ):
        yield tmp_path


@pytest.fixture
def drawings() -> Iterator[list[Any]]:
    """The promises that were drawn, in order."""
    drawn: list[Any] = []

    def note(promise: Any, **kwargs: Any) -> None:
        drawn.append(promise)

    thumbnail_drawn.connect(note)
    yield drawn
    thumbnail_drawn.disconnect(note)


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=True)


def test_a_url_is_drawn_once_and_served_ever_after(client: Client, drawings: list[Any]) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "300x200 cover")
    first, second = client.get(url), client.get(url)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert first["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(first.content)) as picture:
        assert picture.size == (300, 200)
    assert len(drawings) == 1


def test_what_the_browser_accepts_is_what_it_gets_and_caches_are_told(client: Client) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "300x200")
    kinds = [
        client.get(url, headers={"Accept": accept})["Content-Type"]
        for accept in ("image/avif,image/webp,*/*", "image/webp,image/avif;q=0", "image/*", "")
    ]
    assert kinds == ["image/avif", "image/webp", "image/jpeg", "image/jpeg"]
    assert client.get(url)["Vary"] == "Accept"
    plain = client.get(thumbnail_url(NAME, "300x200 webp"), headers={"Accept": "image/avif"})
    assert plain["Content-Type"] == "image/webp"
    assert "Vary" not in plain


def test_a_thumbnail_whose_url_has_a_version_is_kept_for_ever(client: Client) -> None:
    upload(NAME, jpeg())
    versioned = client.get(thumbnail_url(NAME, "30x20", version=7))
    assert versioned["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "must-revalidate" in client.get(thumbnail_url(NAME, "30x20"))["Cache-Control"]


def test_a_replaced_source_is_drawn_anew_at_once_under_its_own_name(
    client: Client, drawings: list[Any]
) -> None:
    upload(NAME, jpeg("red"))
    url = thumbnail_url(NAME, "30x20")
    assert colour_of(client.get(url).content)[0] > 200
    upload(NAME, jpeg("blue"))
    assert colour_of(client.get(url).content)[2] > 200
    assert len(drawings) == 2


def test_what_is_only_feared_to_have_changed_is_proved_and_not_drawn_again(
    client: Client, drawings: list[Any]
) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    client.get(url)
    forget(NAME)
    workshop.current().table.forget_everything()
    assert client.get(url).status_code == 200
    assert len(drawings) == 1


def test_what_was_replaced_past_django_is_found_when_the_source_is_checked(
    client: Client, settings: Any
) -> None:
    upload(NAME, jpeg("red"))
    url = thumbnail_url(NAME, "30x20")
    client.get(url)
    Path(storages["default"].path(NAME)).write_bytes(jpeg("blue"))
    assert colour_of(client.get(url).content)[0] > 200
    settings.NOTHING_SHARED_THUMBNAILS = {
        **settings.NOTHING_SHARED_THUMBNAILS,
        "CHECK_SOURCE": 0.0,
    }
    assert colour_of(client.get(url).content)[2] > 200


def test_a_deleted_source_is_gone_at_once_and_back_at_once(client: Client) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    assert client.get(url).status_code == 200
    storages["default"].delete(NAME)
    assert client.get(url).status_code == 404
    upload(NAME, jpeg())
    assert client.get(url).status_code == 200


def test_a_refusal_is_remembered_for_a_while_and_no_longer(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(NAME, b"not a picture at all")
    url = thumbnail_url(NAME, "30x20")
    refused = client.get(url)
    assert (refused.status_code, refused["Content-Type"]) == (415, "text/plain; charset=utf-8")
    Path(storages["default"].path(NAME)).write_bytes(jpeg())
    assert client.get(url).status_code == 415
    table = workshop.current().table
    clock = table.clock
    monkeypatch.setattr(table, "clock", lambda: clock() + 40_000_000_000)
    assert client.get(url).status_code == 200


def test_files_that_were_deleted_behind_our_back_heal(client: Client, drawings: list[Any]) -> None:
    urls = []
    for number in range(4):
        upload(f"{number}.jpg", jpeg())
        urls.append(thumbnail_url(f"{number}.jpg", "30x20"))
    before = [client.get(url).content for url in urls]
    directory = workshop.current().disk.directory
    for file in directory.rglob("*.jpeg"):
        file.unlink()
    assert [client.get(url).content for url in urls] == before
    for file in directory.rglob("*.jpeg"):
        os.truncate(file, 10)
    assert [client.get(url).content for url in urls] == before
    for file in directory.rglob("*.json"):
        file.write_bytes(b'{"layout": 1}')
    assert [client.get(url).content for url in urls] == before
    assert len(drawings) == 16


def test_a_node_s_directory_may_be_deleted_while_it_serves(
    client: Client, drawings: list[Any]
) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    client.get(url)
    shutil.rmtree(workshop.current().disk.directory)
    assert [client.get(url).status_code for _ in range(2)] == [200, 200]
    assert len(drawings) == 2


def test_a_replacement_in_a_transaction_is_a_change_now_and_on_commit(
    client: Client, transactional_db: None
) -> None:
    upload(NAME, jpeg("red"))
    url = thumbnail_url(NAME, "30x20")
    client.get(url)
    table = workshop.current().table
    place = table.index(slots.file("default", NAME))
    with transaction.atomic():
        upload(NAME, jpeg("blue"))
        now = table.changed[place]
        assert colour_of(client.get(url).content)[2] > 200
    assert table.changed[place] > now


def test_conditions_are_answered_without_a_body(client: Client) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    whole = client.get(url)
    for known in (whole["ETag"], f'"x", {whole["ETag"]}', f"W/{whole['ETag']}", "*"):
        answer = client.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer["ETag"] == whole["ETag"] and answer["Vary"] == "Accept"
    assert client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200
    since = {"If-Modified-Since": whole["Last-Modified"]}
    assert client.get(url, headers=since).status_code == 304
    head = client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Length"] == str(len(whole.content))


def test_ranges_are_served(client: Client) -> None:
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    whole = client.get(url).content
    size = len(whole)
    for asked, start, end in [("0-9", 0, 9), ("0-0", 0, 0), ("-5", size - 5, size - 1)]:
        part = client.get(url, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206
        assert part.content == whole[start : end + 1]
        assert part["Content-Range"] == f"bytes {start}-{end}/{size}"
    assert client.get(url, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert client.get(url, headers={"Range": "bytes=0-1,4-5"}).status_code == 200
    stale = {"Range": "bytes=0-9", "If-Range": '"x"'}
    assert client.get(url, headers=stale).status_code == 200


def test_only_get_and_head_are_answered(client: Client) -> None:
    upload(NAME, jpeg())
    assert client.post(thumbnail_url(NAME, "30x20")).status_code == 405


def test_a_web_server_may_send_the_file_itself(client: Client, settings: Any) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {
        **settings.NOTHING_SHARED_THUMBNAILS,
        "ACCEL_HEADER": "X-Accel-Redirect",
        "ACCEL_PREFIX": "/drawn/",
    }
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    answer = client.get(url)
    assert answer.content == b"" and answer["Content-Type"] == "image/jpeg"
    file = workshop.current().disk.directory / answer["X-Accel-Redirect"].removeprefix("/drawn/")
    assert colour_of(file.read_bytes())[0] > 200
    file.unlink()
    again = client.get(url)
    assert (workshop.current().disk.directory / again["X-Accel-Redirect"][7:]).is_file()
    assert client.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_a_site_may_have_a_picture_for_what_can_t_be_drawn(
    client: Client, settings: Any, media: Path
) -> None:
    picture = media / "placeholder.jpg"
    picture.write_bytes(jpeg("green"))
    settings.NOTHING_SHARED_THUMBNAILS = {
        **settings.NOTHING_SHARED_THUMBNAILS,
        "PLACEHOLDER": picture,
    }
    answer = client.get(thumbnail_url("nowhere.jpg", "30x20"))
    assert (answer.status_code, answer["Content-Type"]) == (404, "image/jpeg")
    assert colour_of(answer.content)[1] > 100


def test_without_a_disk_to_keep_it_on_a_thumbnail_is_served_all_the_same(
    client: Client, settings: Any, media: Path
) -> None:
    (media / "file").write_bytes(b"")
    settings.NOTHING_SHARED_THUMBNAILS = {"DIRECTORY": media / "file" / "nowhere"}
    upload(NAME, jpeg())
    url = thumbnail_url(NAME, "30x20")
    assert [client.get(url).status_code for _ in range(2)] == [200, 200]


def test_svg_is_refused_unless_the_site_passes_it_on(client: Client, settings: Any) -> None:
    upload(
        "logo.svg",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>',
    )
    url = thumbnail_url("logo.svg", "30x20")
    assert client.get(url).status_code == 415
    settings.NOTHING_SHARED_THUMBNAILS = {**settings.NOTHING_SHARED_THUMBNAILS, "SVG": "pass"}
    forget("logo.svg")
    passed = client.get(url)
    assert (passed.status_code, passed["Content-Type"]) == (200, "image/svg+xml")
    assert "sandbox" in passed["Content-Security-Policy"]
    assert passed["X-Content-Type-Options"] == "nosniff"
