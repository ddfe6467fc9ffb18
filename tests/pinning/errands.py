"""What a node can be told to do outside of any request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections

from tests.pinning.library.models import Author, Book, Tag

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
