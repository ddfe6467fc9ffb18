"""Make each request a unit of work, take in its client's ticket, and hand out a new one if it wrote."""

from __future__ import annotations

import re
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
    """The tickets of one request."""

    def __init__(self, request: HttpRequest, unit: Scope) -> None:
        self._options = causality_settings()
        self._unit = unit
        self._is_secure = request.is_secure()
        self._ticket = Ticket()
        self._names: list[str] = []
        self._is_unread = False
        unit.is_unsafe |= request.method not in SAFE_METHODS
        if self._options.tickets:
            is_ours = re.compile(rf"{re.escape(self._options.ticket_name)}_\w{{1,32}}", re.ASCII)
            self._names = [name for name in request.COOKIES if is_ours.fullmatch(name)]
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
                self._is_unread = True
        self._is_unread |= len(self._names) > MOST_COOKIES
        self._ticket = Ticket().joined(found).since(time.time() - _lifetime(self._options))

    def _take_in(self) -> None:
        unit, ticket = self._unit, self._ticket
        unit.ticketed |= ticket.slots
        refuses = bool(self._is_unread or ticket.overflowed)
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
        if self._unit.changes or self._is_unread:
            self._hand_out(response)
            for name in self._names:
                response.delete_cookie(name, samesite="Lax")
            patch_vary_headers(response, ("Cookie",))
            patch_cache_control(response, private=True)
        return response

    def _hand_out(self, response: HttpResponseBase) -> None:
        """Set a cookie of a new name.

        Responses overtake each other: under one name, the last to arrive would win and the other's
        changes would be lost. What a ticket said that can't be read, such as one that a newer node
        signed with a key of tomorrow, may have been anything.
        """
        now = int(time.time())
        carried = tuple(Carried(change, now) for change in self._unit.changes)
        made = Ticket(carried, now if self._is_unread else 0)
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
