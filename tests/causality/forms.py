"""Every query form of Django's ORM that reads or writes a table."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import Any

from django.db import connections, models
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import (
    Cast as CastTo,
    Coalesce,
    Concat,
    ExtractYear,
    Lower,
    RowNumber,
    TruncMonth,
)

from tests.causality.shop.models import (
    Author,
    AuthorStatistics,
    Bar,
    Book,
    Club,
    Copy,
    Country,
    Membership,
    Novel,
    OddlyNamed,
    Place,
    Quoted,
    Restaurant,
    Review,
    Tag,
)

__all__ = ["FORMS", "Form", "Shop"]


class Shop:
    """A few rows of everything, by names."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.ann = self.make(Author, name="Ann")
        self.bob = self.make(Author, name="Bob", mentor=self.ann)
        self.book = self.make(
            Book, title="Sea", author=self.ann, published=datetime.date(2020, 2, 3)
        )
        self.other = self.make(Book, title="Sky", author=self.bob)
        self.tag = self.make(Tag, name="blue")
        self.grey = self.make(Tag, name="grey")
        self.book.tags.add(self.tag)
        self.review = self.make(Review, book=self.book)
        self.copy = self.make(Copy, book=self.book)
        self.bar = self.make(Bar, name="Anchor")
        self.country = self.make(Country, code="SE")
        self.club = self.make(Club, country=self.country)
        self.membership = self.make(Membership, club=self.club, author=self.ann)
        self.odd = self.make(OddlyNamed)
        self.quoted = self.make(Quoted)

    def all(self, model: type[models.Model]) -> Any:
        return model._default_manager.using(self.alias)

    def make(self, model: type[models.Model], **values: Any) -> Any:
        return self.all(model).create(**values)

    def cursor(self, sql: str, params: Any = None) -> list[Any]:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall()) if cursor.description else []

    def many(self, sql: str, params: Any) -> None:
        with connections[self.alias].cursor() as cursor:
            cursor.executemany(sql, params)


Form = Callable[[Shop], object]

BOOKS_OF = Book.objects.filter(author=OuterRef("pk"))

READS: dict[str, Form] = {
    "get": lambda s: s.all(Book).get(pk=s.book.pk),
    "get by a uuid": lambda s: s.all(Review).get(pk=s.review.pk),
    "get by a text": lambda s: s.all(Country).get(pk="SE"),
    "get of a proxy": lambda s: s.all(Novel).get(pk=s.book.pk),
    "get of an heir": lambda s: s.all(Bar).get(pk=s.bar.pk),
    "get of an odd name": lambda s: s.all(OddlyNamed).get(pk=s.odd.pk),
    "get of a quoted name": lambda s: s.all(Quoted).get(pk=s.quoted.pk),
    "get of a view": lambda s: s.all(AuthorStatistics).get(pk=s.ann.pk),
    "refresh_from_db": lambda s: s.book.refresh_from_db(),
    "a deferred field": lambda s: s.all(Book).defer("title").get(pk=s.book.pk).title,
    "a foreign key": lambda s: s.all(Book).get(pk=s.book.pk).author.name,
    "filter": lambda s: list(s.all(Book).filter(title="Sea", pages__gt=3)),
    "filter with or": lambda s: list(s.all(Book).filter(Q(pk=s.book.pk) | Q(title="Sky"))),
    "exclude": lambda s: list(s.all(Book).exclude(pk=s.book.pk)),
    "exclude over a relation": lambda s: list(s.all(Author).exclude(books__tags__name="blue")),
    "none": lambda s: list(s.all(Book).none()),
    "a range": lambda s: list(s.all(Book).filter(pk__range=(1, 5), pages__range=(1, 500))),
    "a join": lambda s: list(s.all(Book).filter(author__name="Ann")),
    "a reverse join": lambda s: list(s.all(Author).filter(books__reviews__stars=3)),
    "a self join": lambda s: list(s.all(Author).filter(mentor__name="Ann")),
    "a self join with a key": lambda s: list(s.all(Author).filter(pk=s.bob.pk, mentor__name="Ann")),
    "a filtered relation": lambda s: list(
        s.all(Author)
        .annotate(sea=FilteredRelation("books", condition=Q(books__title="Sea")))
        .filter(sea__pages=100)
    ),
    "m2m join": lambda s: list(s.all(Book).filter(tags__name="blue").distinct()),
    "m2m of a row": lambda s: list(s.book.tags.all()),
    "m2m through": lambda s: list(s.club.members.all()),
    "select_related": lambda s: list(s.all(Review).select_related("book__author__mentor")),
    "select_related of a row": lambda s: s.all(Book).select_related("author").get(pk=s.book.pk),
    "prefetch_related": lambda s: list(s.all(Author).prefetch_related("books__tags", "pupils")),
    "a Prefetch": lambda s: list(
        s.all(Author).prefetch_related(Prefetch("books", s.all(Book).filter(pages=100)))
    ),
    "values": lambda s: list(s.all(Book).values("title", "author__name", "tags__name")),
    "values_list": lambda s: list(s.all(Book).values_list("author__mentor__name", flat=True)),
    "only": lambda s: list(s.all(Book).only("title")),
    "count": lambda s: s.all(Book).count(),
    "count of distinct": lambda s: s.all(Book).values("author").distinct().count(),
    "exists": lambda s: s.all(Book).filter(tags=s.tag).exists(),
    "aggregate": lambda s: s.all(Book).aggregate(Sum("pages"), Avg("reviews__stars")),
    "aggregate of a subquery": lambda s: (
        s.all(Author).annotate(n=Count("books")).aggregate(Max("n"))
    ),
    "annotate": lambda s: list(s.all(Author).annotate(n=Count("books__tags")).filter(n__gt=0)),
    "annotate with a case": lambda s: list(
        s.all(Book).annotate(big=Case(When(pages__gt=200, then=Value(1)), default=Value(0)))
    ),
    "filter by a case": lambda s: list(
        s.all(Book).filter(
            Case(
                When(pk=s.book.pk, then=Value(True)),
                default=Value(False),
                output_field=models.BooleanField(),
            ),
            pages=100,
        )
    ),
    "a subquery": lambda s: list(
        s.all(Author).annotate(first=Subquery(BOOKS_OF.order_by("pk").values("title")[:1]))
    ),
    "a subquery of a row": lambda s: (
        s.all(Author).annotate(n=Subquery(BOOKS_OF.values("pages")[:1])).get(pk=s.ann.pk)
    ),
    "exists with an outer reference": lambda s: list(s.all(Author).filter(Exists(BOOKS_OF))),
    "not exists": lambda s: list(s.all(Author).filter(~Exists(BOOKS_OF.filter(tags__name="blue")))),
    "in a queryset": lambda s: list(
        s.all(Book).filter(author__in=s.all(Author).filter(name="Ann"))
    ),
    "in its own table": lambda s: list(
        s.all(Book).filter(pk=s.book.pk, pages__in=s.all(Book).values("pages"))
    ),
    "distinct": lambda s: list(s.all(Book).values("author__name").distinct()),
    "union": lambda s: list(
        s.all(Book).values("title").union(s.all(Tag).values("name"), s.all(Place).values("name"))
    ),
    "union with a row": lambda s: list(
        s.all(Book).values("pk").union(s.all(Book).filter(pk=s.book.pk).values("pk"))
    ),
    "intersection": lambda s: list(
        s.all(Author).values("name").intersection(s.all(Tag).values("name"))
    ),
    "difference": lambda s: list(
        s.all(Author).values("name").difference(s.all(Tag).values("name"))
    ),
    "in_bulk": lambda s: s.all(Book).in_bulk([s.book.pk, s.other.pk]),
    "in_bulk by a uuid": lambda s: s.all(Review).in_bulk([s.review.pk]),
    "in_bulk by a field": lambda s: s.all(Tag).in_bulk(["blue"], field_name="name"),
    "iterator": lambda s: list(s.all(Book).iterator(chunk_size=1)),
    "slice": lambda s: s.all(Book).order_by("-pk")[1:2].first(),
    "first, last and latest": lambda s: (
        s.all(Book).first(),
        s.all(Book).last(),
        s.all(Book).latest("pk"),
    ),
    "dates": lambda s: list(s.all(Book).dates("published", "month")),
    "a truncated date": lambda s: list(
        s.all(Book).annotate(m=TruncMonth("published"), y=ExtractYear("published")).values("m", "y")
    ),
    "filter by a year": lambda s: list(
        s.all(Book).filter(published__year=2020, published__month=2)
    ),
    "a window": lambda s: list(
        s.all(Book).annotate(
            n=Window(RowNumber(), partition_by=F("author__name"), order_by=F("pages").desc())
        )
    ),
    "filter by a window": lambda s: list(
        s.all(Book)
        .annotate(n=Window(RowNumber(), partition_by=F("author"), order_by="pk"))
        .filter(n=1)
    ),
    "functions": lambda s: list(
        s.all(Book).annotate(
            x=Lower(Concat("title", Value(" by "), Coalesce("author__name", Value("?")))),
            y=CastTo("pages", models.CharField()),
            z=ExpressionWrapper(F("pages") * 2, output_field=models.IntegerField()),
        )
    ),
    "contains": lambda s: list(
        s.all(Book).filter(title__icontains="e%a", author__name__endswith="n")
    ),
    "contains a column": lambda s: list(s.all(Book).filter(title__contains=F("author__name"))),
    "regex": lambda s: list(s.all(Book).filter(title__iregex="s.a")),
    "extra": lambda s: list(
        s.all(Book).extra(tables=["shop_tag"], where=["shop_tag.name = %s"], params=["blue"])
    ),
    "raw": lambda s: list(
        s.all(Book).raw("SELECT b.* FROM shop_book b, shop_author a WHERE a.id = b.author_id")
    ),
    "a cursor": lambda s: s.cursor("select TITLE from SHOP_BOOK where ID = %s", [s.book.pk]),
    "a cte": lambda s: s.cursor(
        "WITH RECURSIVE up (id) AS (SELECT id FROM shop_author WHERE id = %s UNION ALL "
        "SELECT a.mentor_id FROM shop_author a JOIN up USING (id)), shop_tag AS (SELECT * FROM up) "
        "SELECT * FROM up, (SELECT count(*) FROM shop_book) AS n",
        [s.bob.pk],
    ),
    "values without a table": lambda s: s.cursor("VALUES (1), ((SELECT count(*) FROM shop_tag))"),
    "a view in a join": lambda s: list(
        s.all(AuthorStatistics).filter(author__name="Ann").select_related("author")
    ),
    "select_for_update": lambda s: list(s.all(Book).select_for_update().filter(pk=s.book.pk)),
    "select_for_update of": lambda s: (
        list(s.all(Book).select_related("author").select_for_update(of=("self", "author")))
        if connections[s.alias].features.has_select_for_update_of
        else None
    ),
    "explain": lambda s: s.all(Book).filter(author__name="Ann").explain(),
}

WRITES: dict[str, Form] = {
    "create": lambda s: s.make(Book, title="New", author=s.ann),
    "create with a uuid": lambda s: s.make(Review, book=s.book),
    "create with a text": lambda s: s.make(Country, code="NO"),
    "create with nothing": lambda s: s.make(Place),
    "create an heir": lambda s: s.make(Bar, name="Bell"),
    "create in an odd name": lambda s: (s.make(OddlyNamed), s.make(Quoted)),
    "save": lambda s: s.book.save(),
    "save some fields": lambda s: s.book.save(update_fields=["title"]),
    "save an heir": lambda s: s.bar.save(),
    "save a parent": lambda s: s.all(Restaurant).get(pk=s.bar.pk).save(),
    "save under another key": lambda s: Author(pk=77, name="Cy").save(using=s.alias),
    "save with a trigger": lambda s: s.country.save(),
    "get_or_create": lambda s: (
        s.all(Tag).get_or_create(name="blue"),
        s.all(Tag).get_or_create(name="red"),
    ),
    "update_or_create": lambda s: (
        s.all(Tag).update_or_create({"name": "navy"}, name="blue"),
        s.all(Tag).update_or_create({"name": "red"}, name="red"),
    ),
    "update": lambda s: s.all(Book).update(pages=3),
    "update of a row": lambda s: s.all(Book).filter(pk=s.book.pk).update(pages=3),
    "update with F": lambda s: s.all(Book).filter(pages__gt=1).update(pages=F("pages") + 1),
    "update with a subquery": lambda s: (
        s.all(Author)
        .filter(pk=s.ann.pk)
        .update(name=Subquery(s.all(Book).filter(author=OuterRef("pk")).values("title")[:1]))
    ),
    "update over a relation": lambda s: s.all(Book).filter(author__name="Ann").update(pages=4),
    "update of an heir": lambda s: s.all(Bar).update(name="Same", seats=3, beers=1),
    "update with a trigger": lambda s: s.all(Country).update(name="x"),
    "delete": lambda s: s.review.delete(using=s.alias),
    "delete with a cascade": lambda s: s.ann.delete(using=s.alias),
    "delete a queryset": lambda s: s.all(Book).filter(tags__name="blue").delete(),
    "delete an heir": lambda s: s.bar.delete(using=s.alias),
    "delete by a text": lambda s: s.country.delete(using=s.alias),
    "raw delete": lambda s: s.all(Copy).filter(book__author__name="Ann")._raw_delete(s.alias),
    "bulk_create": lambda s: s.all(Book).bulk_create(
        [Book(title=str(n), author=s.ann) for n in range(3)]
    ),
    "bulk_create with keys": lambda s: s.all(Review).bulk_create(
        [Review(book=s.book, id=uuid.UUID(int=n)) for n in range(3)]
    ),
    "bulk_create of one": lambda s: s.all(Book).bulk_create([Book(title="One", author=s.ann)]),
    "bulk_create ignoring conflicts": lambda s: s.all(Tag).bulk_create(
        [Tag(name="blue"), Tag(name="red")], ignore_conflicts=True
    ),
    "bulk_create updating conflicts": lambda s: s.all(Tag).bulk_create(
        [Tag(name="blue"), Tag(name="red")],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["name"],
    ),
    "bulk_update": lambda s: s.all(Book).bulk_update([s.book, s.other], ["title", "pages"]),
    "m2m add": lambda s: s.book.tags.add(s.grey, s.tag),
    "m2m add in reverse": lambda s: s.grey.books.add(s.book),
    "m2m remove": lambda s: s.book.tags.remove(s.tag),
    "m2m set": lambda s: s.book.tags.set([s.grey]),
    "m2m clear": lambda s: s.book.tags.clear(),
    "m2m create": lambda s: s.book.tags.create(name="new"),
    "m2m through add": lambda s: s.club.members.add(s.bob, through_defaults={"since": 1999}),
    "foreign key set": lambda s: s.ann.pupils.set([]),
    "foreign key clear": lambda s: s.ann.pupils.clear(),
    "a cursor": lambda s: s.cursor("update SHOP_BOOK set pages = 4 where ID in (%s)", [s.book.pk]),
    "executemany": lambda s: s.many(
        "UPDATE shop_book SET pages = %s WHERE id = %s", [(1, s.book.pk), (2, s.other.pk)]
    ),
    "executemany of inserts": lambda s: s.many(
        "INSERT INTO shop_tag (name) VALUES (%s)", [("x",), ("y",)]
    ),
    "executemany of nothing": lambda s: s.many("INSERT INTO shop_tag (name) VALUES (%s)", []),
    "insert from a select": lambda s: s.cursor(
        "INSERT INTO shop_tag (name) SELECT name FROM shop_author WHERE id = %s", [s.ann.pk]
    ),
    "an upsert": lambda s: s.cursor(
        "INSERT INTO shop_tag (id, name) VALUES (%s, 'blue') "
        "ON CONFLICT (name) DO UPDATE SET name = excluded.name || '!'",
        [900],
    ),
    "update from": lambda s: s.cursor(
        "UPDATE shop_book SET title = a.name FROM shop_author a WHERE a.id = shop_book.author_id"
    ),
    "delete with a subquery": lambda s: s.cursor(
        "DELETE FROM shop_copy WHERE book_id IN (SELECT id FROM shop_book WHERE pages = %s)", [100]
    ),
    "returning": lambda s: s.cursor(
        "UPDATE shop_book SET pages = 5 WHERE id = %s RETURNING (SELECT max(id) FROM shop_tag)",
        [s.book.pk],
    ),
}

FORMS: dict[str, Form] = {
    **{f"reading: {name}": form for name, form in READS.items()},
    **{f"writing: {name}": form for name, form in WRITES.items()},
}
