"""Selling a ticket: once, to one buyer, and never one too many."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import slugify

from .models import Event, Ticket, User

__all__ = ["GUEST", "BadName", "Sale", "SoldOut", "sell", "tidy_name"]

GUEST = "A guest"
LONGEST_NAME = User._meta.get_field("name").max_length or 0


class SoldOut(Exception):
    """Every ticket of the event has a buyer."""


class BadName(ValueError):
    """Nobody can be called that here; the message says why."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A committed sale: the number of the ticket, and how many the event has sold with it."""

    ticket: int
    sold: int


def tidy_name(name: str) -> str:
    """Return a buyer's name as it will be printed; raise :class:`BadName` if it can't be."""
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise BadName(f"A name has at most {LONGEST_NAME} characters.")
    if not name.isprintable() or not slugify(name, allow_unicode=True):
        raise BadName("A name needs a letter or a digit, and no control characters.")
    return name


def sell(event: int, buyer: str) -> Sale:
    """Sell one ticket; raise :class:`SoldOut` or ``Event.DoesNotExist`` when there is none.

    The database counts: the update finds no row once the last ticket is gone, however
    many workers of however many nodes ask for it at the same moment.
    """
    name = tidy_name(buyer)
    with transaction.atomic():
        if not _take_one(event):
            Event.objects.only("pk").get(pk=event)
            raise SoldOut
        user, _ = User.objects.get_or_create(
            handle=slugify(name, allow_unicode=True), defaults={"name": name}
        )
        ticket = Ticket.objects.create(event_id=event, buyer=user, bought_at=timezone.now())
        sold = Event.objects.values_list("sold", flat=True).get(pk=event)
    return Sale(ticket.pk, sold)


def _take_one(event: int) -> bool:
    free = Event.objects.filter(pk=event, sold__lt=F("capacity"))
    return free.update(sold=F("sold") + 1) == 1
