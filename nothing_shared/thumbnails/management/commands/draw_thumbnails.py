"""`manage.py draw_thumbnails`: draw ahead of the first visitors, with what they would ask for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import FileField, Model

from nothing_shared.thumbnails import workshop
from nothing_shared.thumbnails.disk import write_whole
from nothing_shared.thumbnails.entries import key_of
from nothing_shared.thumbnails.errors import ThumbnailError
from nothing_shared.thumbnails.linking import spec_of
from nothing_shared.thumbnails.naming import source_of
from nothing_shared.thumbnails.orders import Order
from nothing_shared.thumbnails.promises import Promise, UnsafeName, safe_name
from nothing_shared.thumbnails.specs import BadSpec, Spec

BAR = 30
TRIES = 20


class Command(BaseCommand):
    help = (
        "Draw the thumbnails of all files of a field: draw_thumbnails shop.Product.picture card "
        '"900x600 cover". Stopped, it goes on where it was; what is there already is passed over.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("field", help="app.Model.field")
        parser.add_argument("specs", nargs="+", metavar="spec", help="A spec, or the name of one.")
        parser.add_argument(
            "--accept",
            action="append",
            help="What browsers accept, may be given more than once (default: one per format).",
        )
        parser.add_argument(
            "--from-start", action="store_true", help="Don't go on where it stopped."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        model, field = _field(options["field"])
        shop = workshop.current()
        try:
            specs = [spec_of(text, shop.options) for text in options["specs"]]
        except BadSpec as failure:
            raise CommandError(str(failure)) from failure
        accepts = options["accept"] or ["", *(f"image/{name}" for name in shop.options.formats)]
        place = _Place(shop.disk.directory / f"draw-{key_of(options['field'], *options['specs'])}")
        if options["from_start"]:
            place.clear()
        rows = model._default_manager.exclude(**{field: ""}).exclude(**{field: None}).order_by("pk")
        total, done = rows.count(), _Tally()
        if place.at is not None:
            rows = rows.filter(pk__gt=place.at)
            done.seen = total - rows.count()
            self.stderr.write(f"Going on after {place.at}.")
        for row in rows.iterator(chunk_size=200):
            for order in _orders(getattr(row, field), specs, accepts, shop):
                self._draw(shop, order, done)
            done.seen += 1
            place.note(row.pk)
            self._show(done, total)
        place.clear()
        self.stderr.write("")
        self.stdout.write(
            f"{done.drawn} thumbnails of {total} files are there, {done.failed} failed."
        )

    def _draw(self, shop: workshop.Workshop, order: Order, done: _Tally) -> None:
        for attempt in range(TRIES):
            try:
                shop.get(order)
            except ThumbnailError as failure:
                if failure.may_retry and attempt < TRIES - 1:
                    time.sleep(0.5)
                    continue
                done.failed += 1
                self.stderr.write(f"\r{order.promise.name}: {failure}")
            else:
                done.drawn += 1
            return

    def _show(self, done: _Tally, total: int) -> None:
        filled = BAR * done.seen // max(total, 1)
        bar = "#" * filled + "." * (BAR - filled)
        self.stderr.write(f"\r[{bar}] {done.seen}/{total}", ending="")


class _Tally:
    seen = drawn = failed = 0


class _Place:
    """Where the command was, in a file of the node; gone when it has come to the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self.at: Any = json.loads(file.read_bytes())
        except (OSError, ValueError):
            self.at = None

    def note(self, key: Any) -> None:
        write_whole(str(self._file), json.dumps(key, default=str).encode())

    def clear(self) -> None:
        self.at = None
        self._file.unlink(missing_ok=True)


def _field(path: str) -> tuple[type[Model], str]:
    label, _, name = path.rpartition(".")
    try:
        model = apps.get_model(label)
        field = model._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist) as failure:
        raise CommandError(f"{path!r} is no field: {failure} Allowed: app.Model.field") from failure
    if not isinstance(field, FileField):
        raise CommandError(f"{path!r} is no FileField or ImageField.")
    return model, name


def _orders(
    file: Any, specs: list[Spec], accepts: list[str], shop: workshop.Workshop
) -> Iterator[Order]:
    """Yield what browsers will ask for, each drawing once."""
    source = source_of(file, shop.options)
    if source is None:
        return
    try:
        safe_name(source.name)
    except UnsafeName:
        return
    seen: set[str] = set()
    for spec in specs:
        promise = Promise(source.storage, source.name, spec.text, source.version)
        for accept in accepts:
            order = Order.of(
                promise, accept, formats=shop.options.formats, hashed=shop.options.hashed_names
            )
            if order.key not in seen:
                seen.add(order.key)
                yield order
