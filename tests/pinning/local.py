"""A database with replicas in this very process, and clients that visit views on it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory, override_settings

from nothing_shared.causality.middleware import CausalityMiddleware
from nothing_shared.node import process
from nothing_shared.pinning import served
from nothing_shared.pinning.mixin import PinningMixin
from nothing_shared.pinning.positions.postgresql import PostgreSQL
from tests.causality.shop.models import Author
from tests.wait import wait_until

__all__ = [
    "ALIAS",
    "Client",
    "Counting",
    "authors",
    "connected",
    "connection",
    "count",
    "make",
    "node_at",
    "warm",
]

ALIAS = "pinned"

Result = TypeVar("Result")


def connection() -> PinningMixin:
    found = connections[ALIAS]
    assert isinstance(found, PinningMixin)
    return found


@contextmanager
def connected(settings: dict[str, Any]) -> Iterator[None]:
    """Make a database with replicas known to this thread and all others."""
    connections.settings[ALIAS] = {
        **connections.settings["default"],
        "CONN_MAX_AGE": None,
        **settings,
    }
    try:
        yield
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.settings[ALIAS]


@contextmanager
def node_at(directory: Path) -> Iterator[process.Node]:
    """Be a node that hears of no other; those before and after keep what they know."""
    node = {"DIRECTORY": directory, "LEASE": 5.0, "MAX_STALENESS": 20.0}
    bus = {"LOCATION": directory.with_suffix(".bus")}
    with override_settings(NOTHING_SHARED_NODE=node, NOTHING_SHARED_BUS=bus):
        yield process.current()


class Client:
    """Someone who visits: each visit is a request of its own, and ``served`` says who answered it."""

    def __init__(self, **environment: Any) -> None:
        self.jar: dict[str, str] = {}
        self.served: dict[str, int] = {}
        self.environment = environment
        self.response: HttpResponseBase = HttpResponse()

    def get(self, act: Callable[[], Result]) -> Result:
        return self.visit(act, "get")

    def post(self, act: Callable[[], Result]) -> Result:
        return self.visit(act, "post")

    def visit(self, act: Callable[[], Result], method: str) -> Result:
        seen: list[Result] = []

        def view(request: HttpRequest) -> HttpResponse:
            seen.append(act())
            self.served = served()
            return HttpResponse()

        self.send(view, method)
        return seen[0]

    def send(
        self, view: Callable[[HttpRequest], HttpResponseBase], method: str
    ) -> HttpResponseBase:
        answer = CausalityMiddleware(view)(self._request(method))
        assert isinstance(answer, HttpResponseBase)
        return self.receive(answer)

    def visit_async(self, act: Callable[[], Awaitable[Result]], method: str = "get") -> Result:
        seen: list[Result] = []

        async def view(request: HttpRequest) -> HttpResponse:
            seen.append(await act())
            self.served = served()
            return HttpResponse()

        async def main() -> None:
            answer = await CausalityMiddleware(view)(self._request(method))  # type: ignore[misc]
            self.receive(answer)
            await sync_to_async(connections.close_all)()  # the thread outlives the loop

        contextvars.Context().run(asyncio.run, main())
        return seen[0]

    def _request(self, method: str) -> HttpRequest:
        request = getattr(RequestFactory(), method)("/", **self.environment)
        request.COOKIES.update(self.jar)
        return request

    def receive(self, response: HttpResponseBase) -> HttpResponseBase:
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0:
                self.jar.pop(name, None)
            else:
                self.jar[name] = morsel.value
        self.response = response
        return response

    @property
    def used_primary(self) -> bool:
        return ALIAS in self.served

    @property
    def used_replicas(self) -> list[str]:
        return sorted(name for name in self.served if name != ALIAS)


class Counting(PostgreSQL):
    """Counts the questions of its own that a connection asks its servers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def of_primary(self, raw: Any) -> Any:
        self.asked.append("primary")
        return super().of_primary(raw)

    def of_replica(self, raw: Any) -> Any:
        self.asked.append("replica")
        return super().of_replica(raw)


authors = Author.objects.using(ALIAS)


def make(name: str) -> Author:
    return Author.objects.using(ALIAS).create(name=name)


def count() -> int:
    return Author.objects.using(ALIAS).count()


def warm() -> None:
    """Let this thread know both replicas and the schema, and the node how far the primary has got."""
    fleet = connection().fleet
    assert fleet is not None
    names, served_by = {one.alias for one in fleet.replicas}, set[str]()

    def all_have_served() -> bool:
        visitor = Client()
        visitor.get(count)
        served_by.update(visitor.used_replicas)
        return served_by == names

    wait_until(all_have_served, what="the replicas show what this node has heard of")
