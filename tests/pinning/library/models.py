from __future__ import annotations

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80, unique=True)


class Tag(models.Model):
    name = models.CharField(max_length=80, unique=True)


class Book(models.Model):
    title = models.CharField(max_length=80, unique=True)
    author = models.ForeignKey(Author, models.CASCADE, null=True, related_name="books")
    tags = models.ManyToManyField(Tag, related_name="books")
    copies = models.IntegerField(default=0)
