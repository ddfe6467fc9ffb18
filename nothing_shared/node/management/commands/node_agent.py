"""``manage.py node_agent``: run the node's duties in a process of their own."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from nothing_shared.node import process


class Command(BaseCommand):
    help = (
        "Be the node's agent, so that no web worker has to: listen to the bus, publish what killed "
        "writers left. Without this command one of the workers does it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        with contextlib.suppress(ValueError):  # not in the main thread, where there are no signals
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
        node = process.current()
        self.stdout.write(
            f"Standing for agent of node {node.name} in {node.directory}. Stop: Ctrl-C."
        )
        self.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while not stop.wait(0.5):
                node = process.current()
        process.close()
