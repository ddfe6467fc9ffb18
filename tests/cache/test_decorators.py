from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory

from nothing_shared.cache import cached, cached_page, invalidate, trace
from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import begin

pytestmark = pytest.mark.django_db


def test_a_function_runs_once_per_arguments(cache: MachineCache) -> None:
    calls: list[Any] = []

    @cached(600)
    def double(number: int, *, plus: int = 0) -> int:
        calls.append((number, plus))
        return 2 * number + plus

    assert [double(1), double(1), double(2), double(1, plus=1)] == [2, 2, 4, 3]
    assert calls == [(1, 0), (2, 0), (1, 1)]


def test_1_and_true_are_different_arguments(cache: MachineCache) -> None:
    @cached(600)
    def kind(value: object) -> str:
        return type(value).__name__

    assert [kind(1), kind(True), kind("1"), kind(1.0)] == ["int", "bool", "str", "float"]


def test_an_argument_that_cant_be_told_apart_is_an_error(cache: MachineCache) -> None:
    @cached(600)
    def of(value: object) -> None: ...

    with pytest.raises(TypeError, match="key=lambda"):
        of(object())


def test_async_functions_are_cached(cache: MachineCache) -> None:
    calls = []

    @cached(600, key="answer")
    async def answer() -> int:
        calls.append(1)
        return 42

    assert [asyncio.run(answer()), asyncio.run(answer())] == [42, 42]
    assert len(calls) == 1


def test_what_a_function_read_is_what_forgets_it(cache: MachineCache) -> None:
    one, two = Group.objects.create(name="one"), Group.objects.create(name="two")
    begin()

    @cached(600)
    def name(pk: int) -> str:
        return Group.objects.get(pk=pk).name

    def look(pk: int) -> tuple[str, str]:
        begin()
        with trace() as outcomes:
            found = name(pk)
        return found, outcomes[-1].tier

    assert look(one.pk) == ("one", "miss")
    assert look(two.pk) == ("two", "miss")
    Group.objects.filter(pk=one.pk).update(name="uno")
    assert look(two.pk) == ("two", "l1")
    assert look(one.pk) == ("uno", "miss")
    one.name = "eins"
    one.save()
    assert look(one.pk) == ("eins", "miss")
    Group.objects.update(name=Concat("name", Value("!")))
    assert look(one.pk) == ("eins!", "miss")
    assert look(two.pk) == ("two!", "miss")


def test_only_narrows_and_depends_on_widens(cache: MachineCache) -> None:
    group = Group.objects.create(name="one")
    begin()
    reads: list[str] = []

    @cached(600, only=["weather"])
    def forecast() -> str:
        reads.append(Group.objects.get(pk=group.pk).name)
        return reads[-1]

    @cached(600, depends_on=["weather", Group])
    def report() -> str:
        reads.append("report")
        return "report"

    for function in (forecast, report):
        begin()
        function()
    Group.objects.filter(pk=group.pk).update(name="two")
    begin()
    assert forecast() == "one"
    begin()
    report()
    assert reads == ["one", "report", "report"]
    invalidate("weather")
    begin()
    assert forecast() == "two"
    begin()
    report()
    assert reads == ["one", "report", "report", "two", "report"]


def test_an_instance_or_a_class_can_be_invalidated(cache: MachineCache) -> None:
    one, two = Group.objects.create(name="one"), Group.objects.create(name="two")

    def tiers() -> list[str]:
        found = []
        for group in (one, two):
            begin()
            with trace() as outcomes:
                cache.get_or_set(f"g{group.pk}", lambda pk=group.pk: Group.objects.get(pk=pk).name)
            found.append(outcomes[-1].tier)
        return found

    assert tiers() == ["miss", "miss"]
    assert tiers() == ["l1", "l1"]
    invalidate(one)
    assert tiers() == ["miss", "l1"]
    invalidate(Group)
    assert tiers() == ["miss", "miss"]
    with pytest.raises(TypeError, match="can't be depended on"):
        invalidate(7)  # type: ignore[arg-type]


def test_a_fragment_is_rendered_once(cache: MachineCache) -> None:
    template = Template(
        "{% load machine_cache %}{% cached 600 'greeting' name depends_on='weather' %}"
        "{{ say }}, {{ name }}{% endcached %}"
    )
    render = lambda **context: (begin(), template.render(Context(context)))[1]  # noqa: E731
    assert render(say="Hello", name="<Ann>") == "Hello, &lt;Ann&gt;"
    assert render(say="Bye", name="<Ann>") == "Hello, &lt;Ann&gt;"
    assert render(say="Bye", name="Bob") == "Bye, Bob"
    invalidate("weather")
    assert render(say="Bye", name="<Ann>") == "Bye, &lt;Ann&gt;"


@pytest.mark.parametrize(
    "tag",
    ["cached", "cached 600", "cached 600 'x' using='a' 'late'", "cached 600 using='a'"],
)
def test_a_wrong_tag_says_what_is_allowed(tag: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="timeout"):
        Template(f"{{% load machine_cache %}}{{% {tag} %}}{{% endcached %}}")


def test_a_wrong_timeout_says_so(cache: MachineCache) -> None:
    template = Template("{% load machine_cache %}{% cached when 'x' %}{% endcached %}")
    with pytest.raises(TemplateSyntaxError, match="'soon'"):
        template.render(Context({"when": "soon"}))


def page_view(**headers: str) -> Any:
    counted = iter(range(100))

    @cached_page(600)
    def view(request: HttpRequest) -> HttpResponse:
        response = HttpResponse(f"{next(counted)}", headers=headers)
        if request.GET.get("cookie"):
            response.set_cookie("a", "b")
        if request.GET.get("csrf"):
            request.META["CSRF_COOKIE_NEEDS_UPDATE"] = True
        return response

    def ask(path: str = "/", method: str = "GET", **extra: Any) -> str:
        begin()
        return view(RequestFactory().generic(method, path, **extra)).content.decode()

    return ask


def test_a_page_is_kept_per_url_and_method(cache: MachineCache) -> None:
    ask = page_view()
    assert [ask(), ask(), ask("/?a=1"), ask(), ask(method="POST"), ask(method="POST")] == [
        "0", "0", "1", "0", "2", "3",
    ]  # fmt: skip


def test_a_page_is_kept_per_header_that_it_varies_on(cache: MachineCache) -> None:
    ask = page_view(Vary="Accept-Language, X-Plan")
    assert ask(headers={"X-Plan": "a"}) == "0"
    assert ask(headers={"X-Plan": "b"}) == "1"
    assert ask(headers={"X-Plan": "a"}) == "0"
    assert ask(headers={"X-Plan": "b"}) == "1"


def test_a_page_is_kept_per_authorization(cache: MachineCache) -> None:
    ask = page_view()
    assert ask() == "0"
    assert ask(headers={"Authorization": "Bearer a"}) == "1"
    assert ask(headers={"Authorization": "Bearer b"}) == "2"
    assert ask(headers={"Authorization": "Bearer a"}) == "1"


@pytest.mark.parametrize("path", ["/?cookie=1", "/?csrf=1"])
def test_a_page_for_one_client_is_not_kept(cache: MachineCache, path: str) -> None:
    ask = page_view()
    assert ask(path) != ask(path)


@pytest.mark.parametrize("control", ["private", "no-store", "max-age=0, no-cache"])
def test_a_page_that_says_so_is_not_kept(cache: MachineCache, control: str) -> None:
    ask = page_view(**{"Cache-Control": control})
    assert ask() != ask()


def test_a_kept_page_tells_no_browser_to_keep_it(cache: MachineCache) -> None:
    @cached_page(600)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("x")

    response = view(RequestFactory().get("/"))
    assert "Expires" not in response and "Cache-Control" not in response


def test_an_async_page_is_kept(cache: MachineCache) -> None:
    counted = iter(range(9))

    @cached_page(600)
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{next(counted)}")

    async def ask() -> list[bytes]:
        return [(await view(RequestFactory().get("/"))).content for _ in range(2)]

    assert asyncio.run(ask()) == [b"0", b"0"]
