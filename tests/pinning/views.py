"""What can be done in the library, in each way that a site might do it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from asgiref.sync import sync_to_async
from django.contrib.auth import login as log_in
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase

from nothing_shared.cache import cached_page
from tests.pinning.forms import FORMS
from tests.pinning.library.models import Author, Book


def by_orm(title: str) -> None:
    Book.objects.create(title=title)


def by_raw_sql(title: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO library_book (title, copies) VALUES (%s, 0)", [title])


def by_using(title: str) -> None:
    Book.objects.using("default").create(title=title)


def by_on_commit(title: str) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: by_orm(title))


def by_async_commit(title: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        by_orm(title)


WRITES: dict[str, Callable[[str], None]] = {
    "orm": by_orm,
    "raw": by_raw_sql,
    "using": by_using,
    "on-commit": by_on_commit,
    "async-commit": by_async_commit,
}


def is_found(title: str) -> bool:
    return Book.objects.filter(title=title).exists()


def write(request: HttpRequest, how: str, title: str) -> HttpResponse:
    WRITES[how](title)
    if "redirect" in request.GET:
        return HttpResponseRedirect(f"/read/{title}/")
    if "fail" in request.GET:
        raise RuntimeError("after the commit")
    return JsonResponse({})


def read(request: HttpRequest, title: str) -> HttpResponse:
    return JsonResponse({"found": is_found(title)})


def write_and_read(request: HttpRequest, how: str, title: str) -> HttpResponse:
    WRITES[how](title)
    return JsonResponse({"found": is_found(title)})


def write_and_read_in_atomic(request: HttpRequest, title: str) -> HttpResponse:
    with transaction.atomic():
        by_raw_sql(title)
        return JsonResponse({"found": is_found(title)})


def write_nothing(request: HttpRequest) -> HttpResponse:
    return JsonResponse({})


def write_while_streaming(request: HttpRequest, title: str) -> HttpResponseBase:
    def body() -> Iterator[str]:
        by_orm(title)
        yield "written"

    async def abody() -> AsyncIterator[str]:
        await sync_to_async(by_orm)(title)
        yield "written"

    return StreamingHttpResponse(abody() if hasattr(request, "scope") else body())


async def awrite(request: HttpRequest, title: str) -> HttpResponse:
    await Book.objects.acreate(title=title)
    return JsonResponse({})


async def aread(request: HttpRequest, title: str) -> HttpResponse:
    return JsonResponse({"found": await Book.objects.filter(title=title).aexists()})


PAGE, PAGE_HEADER, SMALLEST_RECORD = 8192, 24, 56


def write_up_to_a_page_boundary(request: HttpRequest, title: str) -> HttpResponse:
    """Write, and leave the log where the next record would stand behind the header of a new page."""
    by_orm(title)
    with connection.cursor() as cursor:
        for _ in range(300):
            cursor.execute("SELECT ((pg_current_wal_insert_lsn() - '0/0') %% 8192)::int", [])
            (place,) = cursor.fetchone()
            if place == PAGE_HEADER:
                return JsonResponse({"is_at_boundary": True})
            left = PAGE - place
            filling = left - SMALLEST_RECORD if SMALLEST_RECORD <= left < 250 else 64
            message = "SELECT pg_logical_emit_message(false, '', repeat('x', %s))"
            cursor.execute(message, [filling])
    return JsonResponse({"is_at_boundary": False})


def write_other(request: HttpRequest, title: str) -> HttpResponse:
    Book.objects.using("other").create(title=title)
    return JsonResponse({})


def read_other(request: HttpRequest, title: str) -> HttpResponse:
    return JsonResponse({"found": Book.objects.using("other").filter(title=title).exists()})


def login(request: HttpRequest) -> HttpResponse:
    log_in(request, User.objects.get(username="reader"))
    return JsonResponse({})


def who(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": request.user.get_username()})


def rename(request: HttpRequest, author: int, name: str) -> HttpResponse:
    Author.objects.filter(pk=author).update(name=name)
    return JsonResponse({})


def tag(request: HttpRequest, book: int, tag: int) -> HttpResponse:
    Book(pk=book).tags.add(tag)
    return JsonResponse({})


def delete_author(request: HttpRequest, author: int) -> HttpResponse:
    Author.objects.get(pk=author).delete()
    return JsonResponse({})


def form(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    return JsonResponse({"seen": FORMS[name](pk)})


def set_copies(request: HttpRequest, title: str, copies: int) -> HttpResponse:
    """Write a number, unless a higher one is there: what was given up may still come to pass."""
    Book.objects.filter(title=title, copies__lt=copies).update(copies=copies)
    return JsonResponse({})


def copies(request: HttpRequest, title: str) -> HttpResponse:
    return JsonResponse({"copies": Book.objects.get(title=title).copies})


def cached_copies(request: HttpRequest, title: str) -> HttpResponse:
    def load() -> int:
        return Book.objects.get(title=title).copies

    return JsonResponse({"copies": cache.get_or_set(f"copies:{title}", load, 600)})


@cached_page(600)
def copies_page(request: HttpRequest, title: str) -> HttpResponse:
    return JsonResponse({"copies": Book.objects.get(title=title).copies})
