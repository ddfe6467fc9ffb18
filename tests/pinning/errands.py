"""What a node can be told to do outside of any request."""

from __future__ import annotations

import timeit
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connections
from django.db.models import F
from django.forms import modelform_factory

from nothing_shared.causality import scopes, ticket, use_ticket
from nothing_shared.causality.footprint import analyse
from nothing_shared.causality.schema import schema_for
from nothing_shared.causality.tickets import decode, encode
from nothing_shared.signing import signer
from tests.pinning.library.models import Author, Book, Tag
from tests.pinning.spy import spying

__all__ = ["make_author", "make_book", "make_tag", "migrate", "write_and_read"]


def migrate() -> None:
    """Make the tables, and the one user."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    User.objects.get_or_create(username="reader")
    connections.close_all()


def write_and_read(title: str) -> bool:
    """Write and read in a thread that knows of no request."""

    def work() -> bool:
        Book.objects.create(title=title)
        found = Book.objects.filter(title=title).exists()
        connections.close_all()
        return found

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def make_author(name: str) -> tuple[int, int]:
    """Make an author with one book, and return both keys."""
    author = Author.objects.create(name=name)
    return author.pk, Book.objects.create(title=f"by-{name}", author=author).pk


def make_book(title: str) -> int:
    return Book.objects.create(title=title).pk


def make_tag(name: str) -> int:
    return Tag.objects.create(name=name).pk


def ports_of(command: str, *arguments: str) -> list[int]:
    """Run a management command and return the ports of the servers that it spoke to."""
    with spying() as statements, scopes.serving():
        call_command(command, *arguments, verbosity=0, stdout=StringIO())
    connections.close_all()
    return sorted({port for port, _ in statements})


def live_with_what_a_replica_returned(author: int, book: int) -> dict[str, Any]:
    """Do with objects from a replica what Django refuses where replicas are aliases."""
    told: dict[str, Any] = {}
    with spying() as statements, use_ticket(ticket()):
        writer, read = Author.objects.get(pk=author), Book.objects.get(pk=book)
        deferred = Book.objects.only("title").get(pk=book)
        subquery = Book.objects.filter(author__in=Author.objects.using("default"))
        told["found by a subquery"] = subquery.filter(author=author).count()
        told["ports"] = sorted({port for port, text in statements if "library_" in text})
        told["databases"] = [one._state.db for one in (writer, read, deferred)]
        del statements[:]
        deferred.title = f"{deferred.title}-renamed"
        deferred.save()
        told["saved"] = [text for _, text in statements if text.startswith("UPDATE")]
        writer.books.add(read)
        told["books"] = writer.books.count()
        told["type"] = ContentType.objects.get_for_model(Book).model
        form = modelform_factory(Book, fields=["title", "author"])
        told["errors"] = list(form({"title": deferred.title, "author": author}).errors)
    connections.close_all()
    return told


def cost_of_a_decision(times: int) -> float:
    """Return the microseconds that it takes to find the server of a query, for a known client."""
    connection = connections["default"]
    with use_ticket(ticket()):
        query = Book.objects.filter(title="book-0")
        footprint = analyse(str(query.query), schema_for(connection))
        assert list(query) is not None
        assert connection.replica_for(footprint) is not None
        cost = min(timeit.repeat(lambda: connection.replica_for(footprint), number=times, repeat=7))
    connections.close_all()
    return cost / times * 1e6


def cost_of_a_ticket(times: int) -> float:
    """Return the microseconds that it takes to sign, and to verify and read, a client's ticket."""
    seal = signer("ticket")
    with use_ticket(ticket()):
        Book.objects.filter(title="book-0").update(copies=F("copies") + 1)
        carried = decode(ticket(), seal)
    assert carried

    def pass_on() -> None:
        decode.__wrapped__(encode(carried, seal), seal)  # as one that was not seen before

    connections.close_all()
    return min(timeit.repeat(pass_on, number=times, repeat=7)) / times * 1e6
