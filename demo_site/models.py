"""Users, events with a picture, tickets: the terms of the talk this project comes from."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.urls import reverse


class User(models.Model):
    """Somebody who buys tickets; there are no passwords in a demonstration."""

    handle = models.SlugField(max_length=60, unique=True, allow_unicode=True)
    name = models.CharField(max_length=60)

    USERNAME_FIELD = "handle"
    REQUIRED_FIELDS = ["name"]
    is_anonymous = False
    is_authenticated = True

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("user", args=[self.handle])

    def get_session_auth_hash(self) -> str:
        """Sessions end when this changes, which it can't: there is no password. Django 6.1 asks for it."""
        return "no password"


class Event(models.Model):
    """Something to go to.

    ``sold`` is kept on the event's own row, so that all a page says about one event
    depends on that row alone, and a ticket sold for another event forgets none of it.
    """

    title = models.CharField(max_length=80)
    kind = models.CharField(max_length=30)
    venue = models.CharField(max_length=80)
    starts_at = models.DateTimeField()
    description = models.TextField()
    picture = models.ImageField(upload_to="posters")
    price = models.PositiveSmallIntegerField(help_text="In euros.")
    capacity = models.PositiveIntegerField()
    sold = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["starts_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(sold__lte=F("capacity")), name="never_oversold")
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("event", args=[self.pk])

    @property
    def poster_alt(self) -> str:
        return f"Poster for {self.title}"

    @property
    def left(self) -> int:
        return self.capacity - self.sold

    @property
    def is_sold_out(self) -> bool:
        return self.left <= 0

    @property
    def is_nearly_sold_out(self) -> bool:
        return 0 < self.left <= max(5, self.capacity // 12)


class Ticket(models.Model):
    event = models.ForeignKey(Event, models.CASCADE, related_name="tickets")
    buyer = models.ForeignKey(User, models.CASCADE, related_name="tickets")
    bought_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Ticket {self.pk}"
