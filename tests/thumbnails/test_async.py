"""The async view, asked as an event loop would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import AsyncRequestFactory, override_settings

from nothing_shared.thumbnails import thumbnail_url, workshop
from nothing_shared.thumbnails.drawing import draw
from nothing_shared.thumbnails.signals import thumbnail_drawn
from nothing_shared.thumbnails.views import athumbnail
from tests.thumbnails.pictures import jpeg, upload


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[Path]:
    with override_settings(
        MEDIA_ROOT=tmp_path / "media",
        NOTHING_SHARED_THUMBNAILS={"DIRECTORY": tmp_path / "drawn", "DRAWINGS": 1, "QUEUE": 0},
    ):
        yield tmp_path


@pytest.fixture
def drawings() -> Iterator[list[Any]]:
    drawn: list[Any] = []

    def note(promise: Any, **kwargs: Any) -> None:
        drawn.append(promise)

    thumbnail_drawn.connect(note)
    yield drawn
    thumbnail_drawn.disconnect(note)


async def ask(url: str) -> HttpResponse:
    path = url.removeprefix("/thumbs/")
    return await athumbnail(AsyncRequestFactory().get(url), path)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Drawings wait in their thread until it is set."""
    go_on = threading.Event()

    def slow(*args: Any, **options: Any) -> Any:
        assert go_on.wait(60)
        return draw(*args, **options)

    monkeypatch.setattr(workshop, "draw", slow)
    yield go_on
    go_on.set()


def test_it_draws_once_for_all_who_ask_and_the_loop_goes_on(
    drawings: list[Any], held: threading.Event
) -> None:
    upload("a.jpg", jpeg())
    url = thumbnail_url("a.jpg", "30x20")

    async def main() -> list[HttpResponse]:
        asked = [asyncio.ensure_future(ask(url)) for _ in range(20)]
        for _ in range(200):  # each turn of the loop is proof that nothing blocks it
            await asyncio.sleep(0)
        assert not any(task.done() for task in asked)
        held.set()
        return await asyncio.gather(*asked)

    answers = asyncio.run(main())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == len(drawings) == 1


def test_a_client_that_goes_away_leaves_a_drawing_that_ends(
    drawings: list[Any], held: threading.Event
) -> None:
    upload("a.jpg", jpeg())
    url = thumbnail_url("a.jpg", "30x20")

    async def main() -> HttpResponse:
        impatient = asyncio.ensure_future(ask(url))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        held.set()
        return await ask(url)

    assert asyncio.run(main()).status_code == 200
    assert len(drawings) == 1


def test_beyond_the_bound_there_is_a_503_and_no_queue(held: threading.Event) -> None:
    upload("a.jpg", jpeg())
    one, two = thumbnail_url("a.jpg", "30x20"), thumbnail_url("a.jpg", "60x40")

    async def main() -> tuple[HttpResponse, HttpResponse]:
        first = asyncio.ensure_future(ask(one))
        while not list(workshop.current().disk.directory.glob("gate/seats/*")):
            await asyncio.sleep(0)
        refused = await ask(two)
        held.set()
        return await first, refused

    first, refused = asyncio.run(main())
    assert (first.status_code, refused.status_code) == (200, 503)
    assert refused["Retry-After"] == "1" and refused["Cache-Control"] == "no-store"


def test_a_forged_url_is_refused_there_too() -> None:
    answer = asyncio.run(ask(thumbnail_url("a.jpg", "30x20").replace("30x20", "30x21")))
    assert answer.status_code == 403
