"""``@cached_page``: remember a view's response, for as long as what it read stays as it was."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, TypeVar, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import get_language

from nothing_shared.cache.decorators import machine_cache
from nothing_shared.cache.names import Name

__all__ = ["cached_page"]

View = TypeVar("View", bound=Callable[..., Any])

UNSHARED = ("private", "no-store", "no-cache")


class _NotKept(BaseException):
    """Carries a response that must not be kept out of the fill; no error, so no ``Exception``."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.response = response


def cached_page(
    timeout: float | None,
    *,
    alias: str = "default",
    key_prefix: str = "",
    depends_on: Iterable[Name] = (),
    only: Iterable[Name] | None = None,
    serve_stale: bool = False,
) -> Callable[[View], View]:
    """Cache a view's response to GET and HEAD, per URL, language, and the headers that it varies on.

    Not kept: streams, statuses other than 200, responses that set cookies or say ``private``,
    ``no-store`` or ``no-cache``, and forms with a CSRF token. A page is kept per ``Authorization``
    header, and that of a view which looked at the session or the user per ``Cookie`` header. Unlike
    Django's ``cache_page`` it tells no browser to keep the page: nobody could make a browser forget
    it. Sync and async views.
    """
    options: dict[str, Any] = {
        "timeout": timeout,
        "depends_on": tuple(depends_on),
        "only": None if only is None else tuple(only),
        "serve_stale": serve_stale,
    }

    def decorate(view: View) -> View:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def aserve(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                page = _Page(request, alias, key_prefix, options)

                async def load() -> Any:
                    return await view(request, *args, **kwargs)

                return await (page.aserve(load) if page.is_cacheable else load())

            return cast(View, aserve)

        @functools.wraps(view)
        def serve(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            page = _Page(request, alias, key_prefix, options)
            load = functools.partial(view, request, *args, **kwargs)
            return page.serve(load) if page.is_cacheable else load()

        return cast(View, serve)

    return decorate


class _Page:
    """One request for a page: first which headers it varies on, then the page for these headers."""

    def __init__(
        self, request: HttpRequest, alias: str, prefix: str, options: dict[str, Any]
    ) -> None:
        self._request = request
        self._cache = machine_cache(alias)
        self._options = options
        # As in Django's cache_page, and also if nobody without it has been there before.
        client = request.headers.get("Authorization", "")
        address = request.build_absolute_uri()
        parts = (prefix, request.method or "", address, get_language() or "", client)
        self._name = "page:" + _digest(parts)
        self._label = f"page {request.get_full_path()}"
        self._fresh: HttpResponseBase | None = None

    @property
    def is_cacheable(self) -> bool:
        return self._request.method in ("GET", "HEAD")

    def serve(self, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        def load() -> HttpResponseBase:
            if self._fresh is None:
                self._fresh = self._rendered(view())
            return self._fresh

        try:
            varies = self._cache.get_or_set(
                self._name, lambda: self._varies(load()), **self._options, label=self._label
            )
            name = self._name_for(varies)
            page = self._cache.get_or_set(
                name, lambda: self._checked(load(), varies), **self._options, label=self._label
            )
        except _NotKept as outcome:
            return outcome.response
        return cast(HttpResponseBase, page)

    async def aserve(self, view: Callable[[], Any]) -> HttpResponseBase:
        async def load() -> HttpResponseBase:
            if self._fresh is None:
                self._fresh = self._rendered(await view())
            return self._fresh

        async def load_varies() -> tuple[str, ...]:
            return self._varies(await load())

        async def load_page() -> HttpResponseBase:
            return self._checked(await load(), varies)

        try:
            varies = await self._cache.aget_or_set(
                self._name, load_varies, **self._options, label=self._label
            )
            page = await self._cache.aget_or_set(
                self._name_for(varies), load_page, **self._options, label=self._label
            )
        except _NotKept as outcome:
            return outcome.response
        return cast(HttpResponseBase, page)

    def _rendered(self, response: Any) -> HttpResponseBase:
        if not getattr(response, "is_rendered", True):
            response = response.render()
        if not self._may_be_kept(response):
            raise _NotKept(response)
        return cast(HttpResponseBase, response)

    def _may_be_kept(self, response: HttpResponseBase) -> bool:
        control = response.get("Cache-Control", "").lower()
        return not (
            response.streaming
            or response.status_code != 200
            or response.cookies
            or "*" in response.get("Vary", "")
            or self._request.META.get("CSRF_COOKIE_NEEDS_UPDATE")
            or any(word in control for word in UNSHARED)
        )

    def _varies(self, response: HttpResponseBase) -> tuple[str, ...]:
        named = response.get("Vary", "").split(",")
        headers = {name.strip().lower() for name in named if name.strip()}
        session = getattr(self._request, "session", None)
        if getattr(session, "accessed", False):
            headers.add("cookie")
        return tuple(sorted(headers))

    def _name_for(self, varies: tuple[str, ...]) -> str:
        values = (f"{name}={self._request.headers.get(name, '')}" for name in varies)
        return f"{self._name}:{_digest(values)}"

    def _checked(self, response: HttpResponseBase, varies: tuple[str, ...]) -> HttpResponseBase:
        """Refuse to keep a page under headers that it no longer varies on."""
        if self._varies(response) != varies:
            self._cache.delete(self._name)
            raise _NotKept(response)
        return response


def _digest(parts: Iterable[str]) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
