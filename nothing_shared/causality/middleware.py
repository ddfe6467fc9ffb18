"""Make each request a unit of work, take in its client's ticket, and hand out a new one if it wrote."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

from nothing_shared.causality import scopes
from nothing_shared.causality.conf import CausalitySettings, causality_settings
from nothing_shared.causality.pending import settle_all, settle_unit
from nothing_shared.causality.scopes import Scope
from nothing_shared.causality.tickets import BadTicket, Carried, Ticket, decode, encode
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process
from nothing_shared.node.conf import node_settings
from nothing_shared.signing import signer

__all__ = ["CausalityMiddleware"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
MOST_COOKIES = 16


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
        unit = scopes.begin()
        received = _Received(request, unit)
        response = self.get_response(request)
        assert not isinstance(response, Awaitable)
        settle_all()
        return received.answer(response)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        unit = scopes.begin()
        received = _Received(request, unit)
        response = self.get_response(request)
        assert isinstance(response, Awaitable)
        answer = await response
        settle_unit(unit)
        return received.answer(answer)


class _Received:
    """The tickets of one request."""

    def __init__(self, request: HttpRequest, unit: Scope) -> None:
        self._options = causality_settings()
        self._unit = unit
        self._is_secure = request.is_secure()
        self._bad: list[str] = []
        self._ticket = Ticket()
        self._names: list[str] = []
        unit.is_unsafe = request.method not in SAFE_METHODS
        if self._options.tickets:
            prefix = f"{self._options.ticket_name}_"
            self._names = [name for name in request.COOKIES if name.startswith(prefix)]
        if self._names:
            self._read(request)
            self._take_in()

    def _read(self, request: HttpRequest) -> None:
        seal = signer("ticket")
        found = []
        for name in self._names[:MOST_COOKIES]:
            try:
                found.append(decode(request.COOKIES[name], seal))
            except BadTicket:
                self._bad.append(name)
        self._bad.extend(self._names[MOST_COOKIES:])
        self._ticket = Ticket().joined(found).since(time.time() - _lifetime(self._options))

    def _take_in(self) -> None:
        unit, ticket = self._unit, self._ticket
        unit.ticketed = ticket.slots
        # What a ticket said that can't be read may have been anything: this request does without caches.
        refuses = bool(self._bad or ticket.overflowed)
        try:
            for carried in ticket.carried:
                process.current().apply(carried.change)
        except LockTimeout:
            refuses = True
        if refuses:
            unit.refuse_cached()

    def answer(self, response: HttpResponseBase) -> HttpResponseBase:
        if not self._options.tickets:
            return response
        if self._unit.changes:
            self._hand_out(response)
        for name in self._names if self._unit.changes else self._bad:
            response.delete_cookie(name, samesite="Lax")
        if self._unit.changes or self._bad:
            patch_vary_headers(response, ("Cookie",))
            patch_cache_control(response, private=True)
        return response

    def _hand_out(self, response: HttpResponseBase) -> None:
        """Set a cookie of a new name.

        Responses overtake each other: under one name, the last to arrive would win and the other's
        changes would be lost.
        """
        now = int(time.time())
        made = Ticket(tuple(Carried(change, now) for change in self._unit.changes))
        ticket = made.joined([self._ticket]).bounded()
        response.set_cookie(
            f"{self._options.ticket_name}_{secrets.token_hex(6)}",
            encode(ticket, signer("ticket")),
            max_age=int(_lifetime(self._options)) + 1,
            httponly=True,
            samesite="Lax",
            secure=self._is_secure,
        )


def _lifetime(options: CausalitySettings) -> float:
    """Seconds after which every node has heard a change and serves nothing older, not even stale."""
    node = node_settings()
    return 2 * node.lease + node.max_staleness + options.clock_skew
