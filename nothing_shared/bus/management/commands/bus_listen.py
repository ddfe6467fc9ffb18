"""``manage.py bus_listen``: print the site's messages as they come in."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.message import Message
from nothing_shared.bus.topics import EVERY, subscribe
from nothing_shared.node import process
from nothing_shared.node.conf import node_settings
from nothing_shared.node.process import Node


class Command(BaseCommand):
    help = "Print each message of a topic, or of all, as JSON, a line each; and each gap."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topic", nargs="?", default=EVERY, help="By default, every topic.")
        parser.add_argument("--count", type=int, default=0, help="Stop after so many messages.")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        left = options["count"]

        def show(message: Message) -> None:
            nonlocal left
            self._print({"id": message.id, "topic": message.topic, "payload": message.payload})
            left -= 1
            if left == 0:
                stop.set()

        def show_gap(gap: Gap) -> None:
            self._print({"gap": gap.reason, "first": gap.first, "last": gap.last})

        subscribe(options["topic"], on_gap=show_gap)(show)
        with contextlib.suppress(ValueError):  # not in the main thread, where there are no signals
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
        # A node of its own: a machine's node hands each message to one of its processes only.
        with TemporaryDirectory() as directory, contextlib.suppress(KeyboardInterrupt):
            process.use(Node(Path(directory), node_settings()))
            self.stderr.write("Listening. Stop: Ctrl-C.")
            while not stop.wait(0.1):
                pass
            process.close()

    def _print(self, fields: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(fields))
        self.stdout.flush()
