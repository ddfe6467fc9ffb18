from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client
from django.test.utils import isolate_apps

from nothing_shared.thumbnails import thumbnail_url, workshop
from nothing_shared.thumbnails.management.commands import draw_thumbnails
from tests.thumbnails.pictures import jpeg, upload


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.NOTHING_SHARED_THUMBNAILS = {"DIRECTORY": tmp_path / "drawn", "FORMATS": ["webp"]}
    return tmp_path


@pytest.fixture
def photos(transactional_db: None) -> Iterator[Any]:
    with isolate_apps("tests.causality.shop") as registry:

        class Photo(models.Model):
            image = models.FileField()

            class Meta:
                app_label = "shop"

        with connection.schema_editor() as editor:
            editor.create_model(Photo)
        for number in range(5):
            upload(f"{number}.jpg", jpeg())
            Photo.objects.create(image=f"{number}.jpg")
        Photo.objects.create(image="")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(draw_thumbnails, "apps", registry)
            yield Photo
        with connection.schema_editor() as editor:
            editor.delete_model(Photo)


def run(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def test_what_is_drawn_ahead_is_what_browsers_ask_for(photos: Any, client: Client) -> None:
    said = run("draw_thumbnails", "shop.Photo.image", "30x20", "60x40 cover")
    assert said == "20 thumbnails of 5 files are there, 0 failed.\n"
    shop = workshop.current()
    assert shop.disk.usage().thumbnails == 20
    for number in range(5):
        Path(shop.disk.directory.parent / "media" / f"{number}.jpg").write_bytes(b"gone")
    for accept, kind in [("image/webp,*/*", "image/webp"), ("*/*", "image/jpeg")]:
        answer = client.get(thumbnail_url("3.jpg", "60x40 cover"), headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)


def test_stopped_it_goes_on_where_it_was(photos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    get, seen = workshop.Workshop.get, []

    def stopping(shop: Any, order: Any) -> Any:
        seen.append(order.promise.name)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return get(shop, order)

    monkeypatch.setattr(workshop.Workshop, "get", stopping)
    with pytest.raises(KeyboardInterrupt):
        run("draw_thumbnails", "shop.Photo.image", "30x20")
    assert run("draw_thumbnails", "shop.Photo.image", "30x20").startswith("6 thumbnails of 5")
    assert seen[5:] == ["2.jpg", "2.jpg", "3.jpg", "3.jpg", "4.jpg", "4.jpg"]
    run("draw_thumbnails", "shop.Photo.image", "30x20")
    assert seen[11] == "0.jpg"


def test_a_source_that_can_t_be_drawn_is_counted_and_passed_over(photos: Any) -> None:
    upload("2.jpg", b"no picture")
    assert "8 thumbnails of 5 files are there, 2 failed" in run(
        "draw_thumbnails", "shop.Photo.image", "30x20"
    )


@pytest.mark.parametrize(
    "words", [("shop.Photo.nothing", "30x"), ("shop.Photo.id", "30x"), ("shop.Photo.image", "30")]
)
def test_what_it_can_t_do_it_says(photos: Any, words: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=r"llowed|no FileField"):
        run("draw_thumbnails", *words)


def test_the_cache_is_shown_and_cleared(client: Client) -> None:
    upload("a.jpg", jpeg())
    url = thumbnail_url("a.jpg", "30x20")
    client.get(url)
    client.get(thumbnail_url("nowhere.jpg", "30x20"))
    assert "Holds 1 thumbnails and 2 other records" in run("thumbnails")
    assert "Left 1 thumbnails" in run("thumbnails", "--trim")
    assert "believed" in run("thumbnails", "--explain", url)
    assert "All nodes ask for a.jpg again" in run("thumbnails", "--forget", "a.jpg")
    assert "to be proved" in run("thumbnails", "--explain", url)
    assert "Deleted 1 thumbnails" in run("thumbnails", "--clear")
    assert "not drawn" in run("thumbnails", "--explain", f"https://example.com{url}?x")
    with pytest.raises(CommandError, match="not signed"):
        run("thumbnails", "--explain", url.replace("30x20", "30x21"))
