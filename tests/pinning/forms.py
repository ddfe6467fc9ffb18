"""The forms of queries that reach a table, some without the model of that table ever being asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import OuterRef, Subquery

from tests.pinning.library.models import Author, Book, Tag

__all__ = ["FORMS"]

JOIN = """
    SELECT book.id, author.name AS author_name
    FROM library_book AS book JOIN library_author AS author ON author.id = book.author_id
    WHERE author.id = %s
"""


def name_of_author() -> Subquery:
    return Subquery(Author.objects.filter(pk=OuterRef("author_id")).values("name"))


def named_like(author: int) -> Any:
    return Author.objects.filter(pk=author, name__startswith="new")


FORMS: dict[str, Callable[[int], Any]] = {
    "get": lambda author: Author.objects.get(pk=author).name,
    "lazy foreign key": lambda author: Book.objects.filter(author_id=author)[0].author.name,  # type: ignore[union-attr]
    "prefetch": lambda author: next(
        book.author.name  # type: ignore[union-attr]
        for book in Book.objects.filter(author_id=author).prefetch_related("author")
    ),
    "select_related": lambda author: (
        Book.objects.select_related("author").get(author_id=author).author.name  # type: ignore[union-attr]
    ),
    "filter over a join": lambda author: Book.objects.filter(
        author_id=author, author__name__startswith="new"
    ).count(),
    "values over a join": lambda author: Book.objects.values_list("author__name", flat=True).get(
        author_id=author
    ),
    "in a subquery": lambda author: Book.objects.filter(author__in=named_like(author)).count(),
    "annotated subquery": lambda author: (
        Book.objects.annotate(writer=name_of_author()).get(author_id=author).writer
    ),
    "raw join": lambda author: Book.objects.raw(JOIN, [author])[0].author_name,
    "iterator": lambda author: (
        next(
            Book.objects.filter(author_id=author).select_related("author").iterator(chunk_size=1)
        ).author.name
    ),  # type: ignore[union-attr]
    "many to many": lambda book: Tag.objects.filter(books=book).count(),
    "count after a cascade": lambda author: Book.objects.filter(author_id=author).count(),
}
"""Each takes the key of an author, or of a book, and returns what it sees."""
