"""What every response says about itself: who served it, and where its parts came from."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from nothing_shared.cache import trace

from .databases import answered

__all__ = ["WitnessMiddleware", "served_by"]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def served_by() -> str:
    return f"{settings.NODE}/{os.getpid()}"


class WitnessMiddleware:
    """Trace the cache into ``request.outcomes``, and sign the response with node and worker."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self.is_async:
            return self._acall(request)
        with trace() as outcomes:
            request.outcomes = outcomes  # type: ignore[attr-defined]
            return signed(cast("HttpResponse", self.get_response(request)))

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        with trace() as outcomes:
            request.outcomes = outcomes  # type: ignore[attr-defined]
            return signed(await self.get_response(request))


def signed(response: HttpResponse) -> HttpResponse:
    response["X-Served-By"] = served_by()
    if servers := answered():
        response["X-Queries"] = ", ".join(f"{server} {count}" for server, count in servers)
    response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.setdefault("Cache-Control", "private, no-cache")
    return response
