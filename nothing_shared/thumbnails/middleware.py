"""Serve thumbnails where whitenoise serves static files: before sessions, users and URLconf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from nothing_shared.thumbnails.linking import prefix
from nothing_shared.thumbnails.views import athumbnail, thumbnail

__all__ = ["ThumbnailMiddleware"]


class ThumbnailMiddleware:
    """Answers what stands under the path of the thumbnails, and passes on all else.

    The URLs stay in the URLconf, for their path. Under ASGI nothing slow runs on the event loop. It
    stands after ``CausalityMiddleware``, whose tickets say what has changed.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        path = _thumbnail_path(request)
        if path is not None:
            return thumbnail(request, path)
        return cast(HttpResponseBase, self.get_response(request))

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        path = _thumbnail_path(request)
        if path is not None:
            return await athumbnail(request, path)
        return cast(HttpResponseBase, await self.get_response(request))


def _thumbnail_path(request: HttpRequest) -> str | None:
    under = prefix()
    return request.path[len(under) :] if request.path.startswith(under) else None
