"""The example data: who goes out, and where to."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from random import Random
from typing import NamedTuple

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from . import posters
from .models import Event, Ticket, User

__all__ = ["create"]

PEOPLE = [
    "Ada Okafor",
    "Bruno Leitner",
    "Carla Moreau",
    "Dev Banerjee",
    "Elif Yılmaz",
    "Farid Haddad",
    "Greta Nilsson",
    "Hugo Santos",
    "Ines Castro",
    "Jun Takeda",
    "Kira Novak",
    "Luca Ferri",
    "Maya Goldberg",
    "Noor Rahman",
    "Oskar Lind",
    "Priya Nair",
    "Quinn Gallagher",
    "Rosa Delgado",
    "Sami Virtanen",
    "Tess de Vries",
    "Uma Krishnan",
    "Victor Popescu",
    "Wanda Zielińska",
    "Yusuf Demir",
]


class Example(NamedTuple):
    """One event: what is said about it, how its poster looks, and how well it sells."""

    title: str
    kind: str
    venue: str
    in_days: int
    at: time
    price: int
    capacity: int
    left: int
    style: str
    palette: str
    description: str


EVENTS = [
    Example(
        "The Paper Orchestra", "Concert", "Old Customs House", 3, time(20), 24, 120, 41,
        "pulses", "ember",
        "Forty musicians, no instruments: everything you hear tonight is folded, torn, crumpled or"
        " blown. The second half is for one sheet of newsprint and a very quiet audience.",
    ),
    Example(
        "Night Swim", "Open air", "Harbour Baths, Pier 4", 5, time(22, 30), 12, 80, 9,
        "currents", "lagoon",
        "The lamps go out at half past ten, the water is lit from below, and a string quartet plays"
        " on the raft. Bring a towel and somebody who can swim.",
    ),
    Example(
        "Eventually Consistent", "Stand-up", "The Cellar at Number 9", 6, time(21), 15, 90, 33,
        "tiles", "paper",
        "Three comedians in three rooms tell the same story. You may walk between them at any time;"
        " by midnight, we promise, they will agree about how it ended.",
    ),
    Example(
        "Far Hills, Late Sun", "Film", "Kino Miramar", 8, time(18, 45), 11, 140, 77,
        "ridges", "dusk",
        "A shepherd, a surveyor and four hundred kilometres of border that neither of them can"
        " find. Shown from the only surviving print, with the director in the room.",
    ),
    Example(
        "Tidewater Sessions", "Jazz", "Boathouse 12", 9, time(19, 30), 28, 60, 2,
        "record", "harbour",
        "One room, one microphone, one take. What the trio plays tonight is cut straight to"
        " lacquer, and the first pressing goes to whoever is standing closest to the door.",
    ),
    Example(
        "Lanterns on the Canal", "Festival", "Lock Keeper's Bridge", 12, time(21), 8, 160, 58,
        "lanterns", "violet",
        "A thousand paper lights set out from the upper lock at nine. Follow them downstream on"
        " foot: there is soup at the second bridge and a brass band at the third.",
    ),
    Example(
        "Bread & Circuits", "Workshop", "Mill Street Bakery", 14, time(10), 45, 24, 0,
        "rays", "brass",
        "Bake a sourdough in the morning, build the synthesiser that listens to it rise in the"
        " afternoon. Flour, solder and lunch are included.",
    ),
    Example(
        "A Short History of Rain", "Theatre", "Little Globe", 17, time(19), 32, 110, 46,
        "halftone", "rain",
        "Six actors, four centuries, and a roof that is designed to leak. Rows A to C get a coat.",
    ),
    Example(
        "Orchard House", "Exhibition", "Gallery Nord", 19, time(11), 9, 150, 104,
        "tiles", "orchard",
        "Everything a family of weavers made for its own kitchen in ninety years: cloths, tiles,"
        " curtains, and the patterns nobody wrote down until now.",
    ),
    Example(
        "Quiet Planet", "Talk", "Observatory, East Dome", 22, time(20, 15), 14, 70, 21,
        "halftone", "ice",
        "What do you hear when you point a radio telescope at nothing? An astronomer plays her"
        " favourite silences, loudly.",
    ),
    Example(
        "Field Day", "Open air", "Long Meadow", 26, time(15), 22, 160, 93,
        "ridges", "meadow",
        "Eleven bands, two stages, one hill between them. The sound meets at the top, which is"
        " where the picnic is.",
    ),
    Example(
        "Sugar Roofs", "Family", "Town Hall, Great Room", 30, time(14), 6, 100, 38,
        "arches", "candy",
        "Build the old town in gingerbread, street by street, and eat it on the stroke of six."
        " Architects are welcome when accompanied by a child.",
    ),
]  # fmt: skip


def create(chance: Random) -> None:
    """Fill an empty database: people, events with their posters, and the tickets sold so far."""
    drawn = [_poster(example) for example in EVENTS]
    now = timezone.now()
    with transaction.atomic():
        User.objects.bulk_create(
            User(handle=slugify(name, allow_unicode=True), name=name) for name in PEOPLE
        )
        people = list(User.objects.all())
        events = [_event(*pair, now) for pair in zip(EVENTS, drawn, strict=True)]
        tickets = [
            Ticket(event=event, buyer=chance.choice(people), bought_at=_before(now, chance))
            for event in events
            for _ in range(event.sold)
        ]
        Ticket.objects.bulk_create(sorted(tickets, key=lambda ticket: ticket.bought_at))


def _poster(example: Example) -> ContentFile[bytes]:
    poster = posters.draw(example.title, style=example.style, palette=example.palette)
    version = blake2b(poster, digest_size=6).hexdigest()
    return ContentFile(poster, name=f"{slugify(example.title)}-{version}.jpg")


def _event(example: Example, poster: ContentFile[bytes], now: datetime) -> Event:
    day = now.date() + timedelta(days=example.in_days)
    return Event.objects.create(
        title=example.title,
        kind=example.kind,
        venue=example.venue,
        starts_at=datetime.combine(day, example.at, tzinfo=UTC),
        description=example.description,
        picture=poster,
        price=example.price,
        capacity=example.capacity,
        sold=example.capacity - example.left,
    )


def _before(now: datetime, chance: Random) -> datetime:
    return now - timedelta(minutes=chance.expovariate(1 / 4000) + 3)
