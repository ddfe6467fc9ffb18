"""Make each request a unit of work, take in its client's ticket, and hand out a new one if it wrote."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

from nothing_shared.causality import carrying, positions, scopes
from nothing_shared.causality.conf import causality_settings
from nothing_shared.causality.pending import settle_all, settle_unit
from nothing_shared.causality.unit import Scope

__all__ = ["CausalityMiddleware"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
MOST_COOKIES = 40
"""So many responses to one client, each of which wrote, may overlap."""


class CausalityMiddleware:
    """Stand first in ``MIDDLEWARE``: what other middleware reads belongs to the request, too."""

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._acall(request)
        with scopes.serving() as unit:
            received = _Received(request, unit)
            response = self.get_response(request)
            assert not isinstance(response, Awaitable)
            settle_all()
            return received.answer(response)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        with scopes.serving() as unit:
            received = _Received(request, unit)
            response = self.get_response(request)
            assert isinstance(response, Awaitable)
            answer = await response
            settle_unit(unit)
            return received.answer(answer)


class _Received:
    """The tickets of one request: in cookies, or in a header where the client sends that."""

    def __init__(self, request: HttpRequest, unit: Scope) -> None:
        self._options = causality_settings()
        self._unit = unit
        self._is_secure = request.is_secure()
        self._names: list[str] = []
        self._header: str | None = None
        self._is_unread = False
        unit.is_unsafe |= request.method not in SAFE_METHODS
        if self._options.tickets:
            self._header = request.headers.get(self._options.ticket_header)
            is_ours = re.compile(rf"{re.escape(self._options.ticket_name)}_\w{{1,32}}", re.ASCII)
            self._names = [name for name in request.COOKIES if is_ours.fullmatch(name)]
            self._read(request)

    def _read(self, request: HttpRequest) -> None:
        texts = [request.COOKIES[name] for name in self._names]
        texts += [part for part in (self._header or "").replace(" ", "").split(",") if part]
        if texts:
            received, self._is_unread = carrying.read(texts[:MOST_COOKIES])
            self._is_unread |= len(texts) > MOST_COOKIES
            carrying.take_in(self._unit, received, is_unread=self._is_unread)
        self._unit.reader.may_use_replicas = not self._is_unread

    def answer(self, response: HttpResponseBase) -> HttpResponseBase:
        if not self._options.tickets:
            return response
        # What the body of a stream writes comes after the headers.
        to_come = positions.unknown() if response.streaming and self._unit.is_unsafe else ()
        self._unit.reader.floors.add(to_come)
        if to_come or self._is_news:
            self._hand_out(response, is_open=bool(to_come))
            named = () if self._header is None else (self._options.ticket_header,)
            patch_vary_headers(response, ("Cookie", *named))
            patch_cache_control(response, private=True)
        return response

    @property
    def _is_news(self) -> bool:
        unit = self._unit
        reader = unit.reader
        return bool(unit.changes or reader.changes or self._is_unread or reader.has_news)

    def _hand_out(self, response: HttpResponseBase, *, is_open: bool) -> None:
        """Set a cookie of a new name in place of those that came, or the header, or both.

        Responses overtake each other: under one name, the last to arrive would win and the other's
        changes would be lost.
        """
        made = carrying.outgoing(self._unit, is_unread=self._is_unread or is_open)
        if self._header is not None:
            response.headers[self._options.ticket_header] = carrying.seal(made)
            if not self._names:
                return
        # Whoever gets the session's cookie must get this: a stale read of a session ends it.
        domain, samesite = settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_SAMESITE or "Lax"
        for name in self._names:
            response.delete_cookie(name, domain=domain, samesite=samesite)
        response.set_cookie(
            f"{self._options.ticket_name}_{secrets.token_hex(6)}",
            carrying.seal(made),
            # Positions hold for as long as a replica may lag.
            max_age=None if made.positions else int(carrying.lifetime()) + 1,
            httponly=True,
            samesite=samesite,
            secure=self._is_secure,
            domain=domain,
        )
