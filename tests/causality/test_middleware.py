"""Each request is a unit of work, and each response that wrote hands out a ticket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.core.signals import request_started
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory, override_settings
from hypothesis import HealthCheck, given, settings, strategies as st

from nothing_shared.cache import invalidate
from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.middleware import CausalityMiddleware
from nothing_shared.causality.scopes import begin, current, scope
from nothing_shared.causality.tickets import Ticket, decode, encode
from nothing_shared.node import process, slots
from nothing_shared.node.change import Change
from nothing_shared.signing import signer

View = Callable[[HttpRequest], HttpResponseBase]

LONGEST_COOKIE = 3_500


@pytest.fixture(autouse=True)
def a_node(node: process.Node) -> process.Node:
    return node


class Browser:
    """Keeps cookies as browsers do, and shows what came with the last response."""

    def __init__(self, jar: dict[str, str] | None = None) -> None:
        self.jar = dict(jar or {})

    def visit(self, view: View, method: str = "get", **environment: Any) -> HttpResponseBase:
        response = answer(view, self.jar, method, **environment)
        self.receive(response)
        return response

    def receive(self, response: HttpResponseBase) -> None:
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0:
                self.jar.pop(name, None)
            else:
                self.jar[name] = morsel.value

    @property
    def ticket(self) -> Ticket:
        return Ticket().joined(decode(value, signer("ticket")) for value in self.jar.values())


def answer(
    view: View, cookies: dict[str, str], method: str = "get", **environment: Any
) -> HttpResponseBase:
    request = getattr(RequestFactory(), method)("/", **environment)
    request.COOKIES = dict(cookies)
    response = CausalityMiddleware(view)(request)
    assert isinstance(response, HttpResponseBase)
    return response


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse("read")


def write(*names: str) -> View:
    def view(request: HttpRequest) -> HttpResponse:
        invalidate(*names or ("weather",))
        return HttpResponse("written")

    return view


def tickets_of(response: HttpResponseBase) -> list[str]:
    return [name for name, morsel in response.cookies.items() if morsel["max-age"] != 0]


# Handing out --------------------------------------------------------------------------------------


def test_a_response_that_wrote_nothing_carries_no_ticket() -> None:
    browser = Browser()
    assert not browser.visit(read).headers.get("Vary")
    browser.visit(write())
    before = dict(browser.jar)
    response = browser.visit(read)
    assert not response.cookies
    assert "Cache-Control" not in response
    assert "Vary" not in response
    assert browser.jar == before


def test_each_response_that_wrote_sets_a_new_name_and_deletes_what_it_received() -> None:
    browser = Browser()
    names = []
    for _ in range(5):
        response = browser.visit(write(), "post")
        names += tickets_of(response)
        assert len(browser.jar) == 1
    assert len(set(names)) == 5
    assert len(browser.ticket.carried) == 5


def test_a_ticket_names_what_the_request_changed() -> None:
    browser = Browser()
    browser.visit(write("weather", "news"), "post")
    assert browser.ticket.slots == {slots.name("weather"), slots.name("news")}


def test_responses_that_overlap_lose_no_change() -> None:
    """Both requests were sent with the same cookies; the answers come in either order."""
    for order in (1, -1):
        browser = Browser()
        browser.visit(write("before"), "post")
        answers = [answer(write(name), browser.jar, "post") for name in ("one", "two")]
        for response in answers[::order]:
            browser.receive(response)
        assert {slots.name(name) for name in ("before", "one", "two")} == browser.ticket.slots
        browser.visit(write("three"), "post")
        assert len(browser.jar) == 1
        assert len(browser.ticket.slots) == 4


def test_very_many_responses_may_overlap_and_nothing_is_lost() -> None:
    browser = Browser()
    for response in [answer(write(f"n{n}"), {}, "post") for n in range(60)]:
        browser.receive(response)
    assert len(browser.jar) == 60
    seen: list[bool] = []
    browser.visit(lambda request: (seen.append(current().refuses_cached), read(request))[1])
    assert seen == [True]
    assert len(browser.jar) == 1
    browser.visit(lambda request: (seen.append(current().refuses_cached), read(request))[1])
    assert seen == [True, True], "what was not read may have been anything, until it is old"


def test_a_response_with_a_ticket_is_for_its_client_alone() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        invalidate("weather")
        return HttpResponse(headers={"Cache-Control": "public, max-age=60", "Vary": "Accept"})

    response = Browser().visit(view)
    assert "private" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]
    assert response["Vary"] == "Accept, Cookie"


def test_the_cookie_is_kept_from_scripts_and_from_plain_http() -> None:
    (morsel,) = Browser().visit(write(), "post", secure=True).cookies.values()
    assert morsel["httponly"] and morsel["secure"] and morsel["samesite"] == "Lax"
    (morsel,) = Browser().visit(write(), "post").cookies.values()
    assert not morsel["secure"]


def test_a_client_that_changes_too_much_gets_a_ticket_that_refuses_cached_values(
    cache: MachineCache,
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        for number in range(2_000):
            current().changed(Change((number + 2,)))
        return HttpResponse()

    cache.set("k", "cached")
    browser = Browser()
    browser.visit(view, "post")
    assert sum(len(value) for value in browser.jar.values()) <= LONGEST_COOKIE
    assert browser.ticket.overflowed
    seen: list[Any] = []
    browser.visit(lambda request: (seen.append(cache.get("k")), read(request))[1])
    browser.visit(write(), "post")
    browser.visit(lambda request: (seen.append(cache.get("k")), read(request))[1])
    assert seen == [None, None]
    Browser().visit(lambda request: (seen.append(cache.get("k")), read(request))[1])
    assert seen[-1] == "cached", "for all others it is there"


def test_a_client_that_writes_again_and_again_never_gets_too_long_a_cookie() -> None:
    browser = Browser()
    for number in range(200):
        browser.visit(write(f"a{number}", f"b{number}"), "post")
        header = SimpleCookie(browser.jar).output(header="", sep=";")
        assert len(header) <= LONGEST_COOKIE
    assert browser.ticket.overflowed


def test_a_streaming_response_carries_what_was_changed_before_it_began() -> None:
    def body() -> Iterator[bytes]:
        invalidate("too late for a header")
        yield b"x"

    def view(request: HttpRequest) -> StreamingHttpResponse:
        invalidate("weather")
        return StreamingHttpResponse(body())

    browser = Browser()
    response = browser.visit(view)
    assert isinstance(response, StreamingHttpResponse)
    assert b"".join(response) == b"x"  # type: ignore[arg-type]
    assert browser.ticket.slots == {slots.name("weather")}


def test_a_streamed_body_belongs_to_the_unit_of_its_view(cache: MachineCache) -> None:
    """Its fills depend on what the view read."""
    units: list[Any] = []

    def body() -> Iterator[bytes]:
        units.append(current())
        yield b"x"

    def view(request: HttpRequest) -> StreamingHttpResponse:
        units.append(current())
        return StreamingHttpResponse(body())

    b"".join(Browser().visit(view))  # type: ignore[arg-type]
    assert units[0] is units[1]


def test_tickets_can_be_switched_off(settings: Any) -> None:
    jar = Browser()
    jar.visit(write(), "post")
    settings.NOTHING_SHARED_CAUSALITY = {"TICKETS": False}
    response = jar.visit(write(), "post")
    assert not response.cookies
    assert "Vary" not in response


def test_the_cookies_name_can_be_chosen(settings: Any) -> None:
    settings.NOTHING_SHARED_CAUSALITY = {"TICKET_NAME": "shop-news"}
    browser = Browser()
    browser.visit(write(), "post")
    assert all(name.startswith("shop-news_") for name in browser.jar)
    browser.visit(write(), "post")
    assert len(browser.jar) == 1


# Taking in ----------------------------------------------------------------------------------------


def test_a_ticket_is_news_to_a_node_that_has_not_heard(node: process.Node) -> None:
    place = node.table.index(slots.name("elsewhere"))
    news = Change((slots.name("elsewhere"),))
    browser = Browser({"ns_ticket_a": sealed(news)})
    before = node.table.clock()
    browser.visit(read)
    assert node.table.changed[place] > before
    heard = node.table.changed[place]
    browser.visit(read)
    assert node.table.changed[place] == heard, "the second time it is no news"


def sealed(*changes: Change, at: float | None = None, overflowed: float = 0) -> str:
    from nothing_shared.causality.tickets import Carried

    made = int(time.time() if at is None else at)
    ticket = Ticket(tuple(Carried(change, made) for change in changes), int(overflowed))
    return encode(ticket, signer("ticket"))


def test_a_ticket_holds_for_lease_and_staleness_and_skew_and_no_longer(
    node: process.Node, settings: Any
) -> None:
    lifetime = 2 * 5 + 20 + 10  # of the settings of this node
    place = node.table.index(slots.name("old"))
    for age, counts in ((lifetime - 2, True), (lifetime + 2, False)):
        before = node.table.clock()
        old = sealed(Change((slots.name("old"),)), at=time.time() - age)
        Browser({"ns_ticket_a": old}).visit(read)
        assert (node.table.changed[place] > before) is counts
    (morsel,) = Browser().visit(write(), "post").cookies.values()
    assert morsel["max-age"] == lifetime + 1
    settings.NOTHING_SHARED_CAUSALITY = {"CLOCK_SKEW": 100}
    (morsel,) = Browser().visit(write(), "post").cookies.values()
    assert morsel["max-age"] == lifetime + 91


def test_an_old_change_leaves_the_cookie(node: process.Node) -> None:
    old = sealed(Change((5,)), at=time.time() - 1_000, overflowed=time.time() - 1_000)
    browser = Browser({"ns_ticket_a": old})
    browser.visit(write("weather"), "post")
    assert browser.ticket.slots == {slots.name("weather")}
    assert not browser.ticket.overflowed


def test_a_client_is_served_no_stale_value_of_what_it_changed_in_this_very_request(
    cache: MachineCache,
) -> None:
    seen: list[bool] = []

    def view(request: HttpRequest) -> HttpResponse:
        entry, _ = cache._store.find(":1:k")
        assert entry is not None
        seen.append(cache._store.may_serve_stale(entry, current()))
        invalidate("weather")
        seen.append(cache._store.may_serve_stale(entry, current()))
        with scope():
            seen.append(cache._store.may_serve_stale(entry, current()))
        return HttpResponse()

    begin()
    cache.get_or_set("k", lambda: "value", 60, depends_on=["weather"])
    Browser().visit(view, "post")
    assert seen == [True, False, False]


def test_what_depends_on_anything_is_not_served_stale_to_one_who_changed_something(
    cache: MachineCache,
) -> None:
    begin().read_anything()
    cache.get_or_set("k", lambda: "value", 60)
    entry, _ = cache._store.find(":1:k")
    assert entry is not None
    unit = begin()
    assert cache._store.may_serve_stale(entry, unit)
    unit.ticketed = frozenset({slots.name("weather")})
    assert not cache._store.may_serve_stale(entry, unit)


# What can't be read -------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", ["", "x", "AAAA.BBBB", "ü", "\udce4", "x" * 4_000, "." * 100])
def test_garbage_costs_one_fresh_answer_and_is_replaced_by_a_good_ticket(
    cache: MachineCache, garbage: str
) -> None:
    cache.set("k", "cached")
    browser, seen = Browser({"ns_ticket_a": garbage}), []
    before = cache._store.table.changed[slots.ANY]
    response = browser.visit(lambda request: (seen.append(cache.get("k")), read(request))[1])
    assert response.status_code == 200
    assert seen == [None]
    assert list(browser.jar) != ["ns_ticket_a"]
    assert browser.ticket.overflowed, "what it said may have been anything"
    assert not browser.ticket.carried
    assert "private" in response["Cache-Control"]
    assert cache._store.table.changed[slots.ANY] == before


@given(name=st.text(max_size=40), value=st.text(max_size=100))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_cookie_header_whatever_it_says_makes_an_error_or_a_change(
    node: process.Node, name: str, value: str
) -> None:
    header = f"ns_ticket_{name}={value}".encode("utf-8", "surrogatepass").decode("latin-1")
    last = slice(slots.EPOCH, slots.ANY + 1)  # whatever changes, the second of these does
    before = node.table.changed[last].tolist()
    request = RequestFactory().get("/", headers={"cookie": header})
    response = CausalityMiddleware(read)(request)
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200
    after = node.table.changed[last].tolist()
    # On a machine with more to do the node may have been deaf meanwhile: no client can do that.
    deaf = before[0] != after[0]
    assert deaf or after == before


def test_a_node_without_tomorrows_key_loses_nothing_that_was_signed_with_it() -> None:
    """In a rolling deploy, in either order of keys."""
    browser = Browser()
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        browser.visit(write("weather"), "post")
    seen: list[bool] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(current().refuses_cached)
        return HttpResponse()

    with override_settings(SECRET_KEY="old"):
        browser.visit(view)
        browser.visit(view)
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        browser.visit(view)
    assert seen == [True, True, True]


def test_a_node_that_cant_take_in_a_ticket_shows_nothing_cached(
    cache: MachineCache, node: process.Node
) -> None:
    """Somebody was stopped while holding the table's lock."""
    cache.set("k", "cached")
    seen: list[Any] = []
    jar = {"ns_ticket_a": sealed(Change((slots.name("weather"),)))}
    from nothing_shared.locks import MachineLock

    with MachineLock(node.table.lock.path).held():
        answer(lambda request: (seen.append(cache.get("k")), read(request))[1], jar)
    assert seen == [None]


# Units of work ------------------------------------------------------------------------------------


def test_a_request_starts_with_nothing_read() -> None:
    begin().read_table("default", "events")
    begun: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        begun.append((current().begun, dict(current()._reads), list(current().used)))
        return HttpResponse()

    Browser().visit(view)
    assert begun == [(None, {}, [])]


@pytest.mark.parametrize("method", ["get", "head", "options", "trace", "post", "put", "delete"])
def test_methods_that_may_write_are_known(method: str) -> None:
    seen: list[bool] = []
    Browser().visit(lambda request: (seen.append(current().is_unsafe), read(request))[1], method)
    assert seen == [method in ("post", "put", "delete", "patch")]


def test_a_request_made_by_a_view_is_a_part_of_its_request() -> None:
    """A batch of requests in one: what the parts read and changed belongs to the whole."""
    seen: list[Any] = []

    def inner(request: HttpRequest) -> HttpResponse:
        current().read_table("default", "events")
        invalidate("weather")
        return HttpResponse()

    def outer(request: HttpRequest) -> HttpResponse:
        unit = current()
        answer(inner, {}, "post")
        assert current() is unit
        seen.append(set(unit._reads))
        return HttpResponse()

    browser = Browser()
    browser.visit(outer)
    assert seen == [{("default", "events")}]
    assert browser.ticket.slots == {slots.name("weather")}
    Browser().visit(lambda request: (seen.append(set(current()._reads)), read(request))[1])
    assert seen[-1] == set(), "the next request is another"


@pytest.mark.django_db
def test_what_was_read_between_the_requests_start_and_the_middleware_belongs_to_it() -> None:
    """Receivers of ``request_started``, and middleware that stands first all the same."""
    seen: list[Any] = []

    def early(**kwargs: Any) -> None:
        current().read_table("default", "tenants")

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(set(current()._reads))
        return HttpResponse()

    for _ in range(2):
        request_started.send(sender=None, environ={})
        early()
        Browser().visit(view)
        Browser().visit(view)
    assert seen == [{("default", "tenants")}, set()] * 2


def test_an_exception_that_passes_through_ends_the_request() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Browser().visit(view)
    assert begin() is not begin()


def test_async_requests_are_units_of_their_own_and_carry_tickets() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        current().read_table("default", request.GET["n"])
        await asyncio.sleep(0)
        seen[request.GET["n"]] = {table for _, table in current()._reads}
        current().changed(Change((int(request.GET["n"]) + 10,)))
        return HttpResponse()

    seen: dict[str, set[str]] = {}

    async def visit(number: int) -> HttpResponseBase:
        request: HttpRequest = RequestFactory().get("/", {"n": number})
        response = CausalityMiddleware(view)(request)  # type: ignore[arg-type]
        assert isinstance(response, Awaitable)
        return await response

    async def visit_all() -> list[HttpResponseBase]:
        return await asyncio.gather(*map(visit, range(20)))

    responses = asyncio.run(visit_all())
    assert seen == {str(number): {str(number)} for number in range(20)}
    for number, response in enumerate(responses):
        browser = Browser()
        browser.receive(response)
        assert browser.ticket.slots == {number + 10}
