"""Every kind of table and relation that footprints must see through."""

from __future__ import annotations

import uuid

from django.db import models

DB_CASCADE = getattr(models, "DB_CASCADE", models.CASCADE)
"""Django 6.1: the database itself deletes."""


class Author(models.Model):
    name = models.CharField(max_length=50)
    mentor = models.ForeignKey("self", models.SET_NULL, null=True, related_name="pupils")


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)


class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    pages = models.IntegerField(default=100)
    published = models.DateField(null=True)
    tags = models.ManyToManyField(Tag, related_name="books")


class Novel(Book):
    class Meta:
        proxy = True


class Review(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    stars = models.IntegerField(default=3)


class Copy(models.Model):
    """On Django 6.1 it goes with its book without a word from Django."""

    book = models.ForeignKey(Book, DB_CASCADE, related_name="copies")


class Place(models.Model):
    name = models.CharField(max_length=50)


class Restaurant(Place):
    seats = models.IntegerField(default=10)


class Bar(Restaurant):
    beers = models.IntegerField(default=3)


class Country(models.Model):
    code = models.CharField(primary_key=True, max_length=2)
    name = models.CharField(max_length=50, default="")


class Club(models.Model):
    country = models.ForeignKey(Country, models.CASCADE, null=True)
    members = models.ManyToManyField(Author, through="Membership")


class Membership(models.Model):
    club = models.ForeignKey(Club, models.CASCADE)
    author = models.ForeignKey(Author, models.CASCADE)
    since = models.IntegerField(default=2000)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["club", "author"], name="one_membership")]


class OddlyNamed(models.Model):
    select = models.IntegerField(default=0, db_column="Select From")

    class Meta:
        db_table = "Shop. odd 'name'; -- from"


class Quoted(models.Model):
    value = models.IntegerField(default=0)

    class Meta:
        db_table = '"shop_quoted"'


class AuthorStatistics(models.Model):
    """A view, which the tests create."""

    author = models.OneToOneField(Author, models.DO_NOTHING, primary_key=True)
    books = models.IntegerField()

    class Meta:
        managed = False
        db_table = "shop_author_statistics"
