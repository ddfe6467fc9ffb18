"""What the tests of all backends with a broker share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from django.db import connections

from nothing_shared.bus.models import Member
from tests.bus.cluster import Backend, Node
from tests.servers import Server

__all__ = ["Brokered", "with_roster"]

ROSTER = "roster"


@dataclass(frozen=True)
class Brokered(Backend):
    """A bus of its own on a server that other tests use as well, and a roster in SQLite."""

    server: Server
    namespace: str = field(default_factory=lambda: secrets.token_hex(4))

    port: int = 0
    """Of a proxy before the server, where there is one."""

    path: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    ease: ClassVar[float] = 1.0
    """How many times as slowly as others it is written to in chaos, lest it only shows an overload."""

    def settings(self) -> dict[str, Any]:
        return {
            "BACKEND": self.path,
            "LOCATION": self.location,
            "NAMESPACE": self.namespace,
            "DATABASE": ROSTER,
            "OPTIONS": self.options,
        }

    @property
    def location(self) -> str:
        url: str = self.server.url  # type: ignore[attr-defined]
        return url.replace(str(self.server.port), str(self.port or self.server.port))

    def small(self) -> dict[str, Any]:
        return {**self.settings(), "OPTIONS": {**self.options, "RING_BYTES": 2**16}}

    @contextmanager
    def clogged(self, reader: Node) -> Iterator[None]:
        self.server.freeze()
        yield
        self.server.thaw()

    def databases(self) -> dict[str, dict[str, Any]]:
        return {ROSTER: roster_in(self.directory)}


def roster_in(directory: Path) -> dict[str, Any]:
    options = {"timeout": 20, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"}
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(directory / "roster.sqlite3"),
        "OPTIONS": options,
    }


@contextmanager
def with_roster(directory: Path) -> Iterator[None]:
    """Make the table of the roster, in a database that this process forgets afterwards."""
    connections.settings[ROSTER] = {**connections.settings["default"], **roster_in(directory)}
    try:
        with connections[ROSTER].schema_editor() as editor:
            editor.create_model(Member)
        yield
    finally:
        connections[ROSTER].close()
        del connections[ROSTER]
        del connections.settings[ROSTER]
