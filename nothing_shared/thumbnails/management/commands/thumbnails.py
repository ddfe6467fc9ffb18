"""`manage.py thumbnails`: what this node has drawn, and what an address means."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nothing_shared.clock import SECOND
from nothing_shared.thumbnails import workshop
from nothing_shared.thumbnails.changes import forget
from nothing_shared.thumbnails.disk import Usage
from nothing_shared.thumbnails.linking import prefix, promise_signer
from nothing_shared.thumbnails.orders import Order
from nothing_shared.thumbnails.promises import BrokenPromise, Promise
from nothing_shared.thumbnails.workshop import Refused


class Command(BaseCommand):
    help = "Show what this node has drawn; clear it, trim it, explain an address, forget a source."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--clear", action="store_true", help="Delete all that this node has drawn."
        )
        what.add_argument("--trim", action="store_true", help="Bring it within its bound now.")
        what.add_argument(
            "--explain", metavar="URL", help="Say what an address of a thumbnail means."
        )
        what.add_argument(
            "--forget",
            metavar="NAME",
            help="Have every node ask for a file again that was replaced.",
        )
        parser.add_argument(
            "--storage", default="default", help="Alias of the storage of --forget."
        )
        parser.add_argument("--accept", default="", help="The Accept header for --explain.")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = workshop.current()
        if options["explain"]:
            self._explain(shop, options["explain"], options["accept"])
        elif options["forget"]:
            forget(options["forget"], storage=options["storage"])
            self.stdout.write(f"All nodes ask for {options['forget']} again.")
        elif options["clear"]:
            self._tell("Deleted", shop.disk.clear())
        elif options["trim"]:
            self._tell("Left", shop.disk.trim())
        else:
            self.stdout.write(f"{shop.disk.directory}, at most {shop.disk.max_bytes:,} bytes")
            self._tell("Holds", shop.disk.usage())

    def _tell(self, verb: str, usage: Usage) -> None:
        self.stdout.write(
            f"{verb} {usage.thumbnails:,} thumbnails and {usage.records:,} other records, "
            f"{usage.bytes:,} bytes."
        )

    def _explain(self, shop: workshop.Workshop, url: str, accept: str) -> None:
        path = unquote(urlsplit(url).path).removeprefix(prefix())
        options = shop.options
        try:
            promise = Promise.read(path, promise_signer(options))
        except BrokenPromise as failure:
            raise CommandError(str(failure)) from failure
        order = Order.of(promise, accept, formats=options.formats, hashed=options.hashed_names)
        facts = {
            "storage": promise.storage,
            "name": promise.name,
            "version": promise.version or "none",
            "spec": order.spec.text,
            "lasts": "for ever"
            if order.is_fixed
            else f"{options.max_age} s, and while it is unchanged",
            "on this node": self._state(shop, order),
        }
        for name, value in facts.items():
            self.stdout.write(f"{name:>14}  {value}")

    def _state(self, shop: workshop.Workshop, order: Order) -> str:
        entry = shop.disk.find(order.key)
        if entry is None:
            return "not drawn"
        age = (shop.table.clock() - entry.begun) / SECOND
        try:
            is_believed = shop.known(order) is not None
        except Refused as failure:
            return f"refused with {failure.status}: {failure}"
        verb = "believed" if is_believed else "to be proved"
        return f"{shop.disk.path(order.key, entry)}, {verb}, {age:.0f} s old"
