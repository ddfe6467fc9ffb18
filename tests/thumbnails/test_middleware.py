from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from nothing_shared.thumbnails import thumbnail_url
from nothing_shared.thumbnails.middleware import ThumbnailMiddleware
from tests.thumbnails.pictures import jpeg, upload


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.NOTHING_SHARED_THUMBNAILS = {"DIRECTORY": tmp_path / "drawn"}
    return tmp_path


def test_it_answers_for_thumbnails_and_passes_on_all_else() -> None:
    upload("a.jpg", jpeg())
    middleware: Any = ThumbnailMiddleware(lambda request: HttpResponse("passed on"))
    ask = RequestFactory().get
    assert middleware(ask(thumbnail_url("a.jpg", "30x20")))["Content-Type"] == "image/jpeg"
    assert middleware(ask("/thumbs/nonsense")).status_code == 404
    assert middleware(ask("/events/1/")).content == b"passed on"


def test_under_asgi_it_is_async() -> None:
    upload("a.jpg", jpeg())

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("passed on")

    middleware: Any = ThumbnailMiddleware(view)
    ask = AsyncRequestFactory().get

    async def main() -> list[HttpResponse]:
        paths = [thumbnail_url("a.jpg", "30x20"), "/events/1/"]
        return [await middleware(ask(path)) for path in paths]

    drawn, other = asyncio.run(main())
    assert (drawn["Content-Type"], other.content) == ("image/jpeg", b"passed on")
