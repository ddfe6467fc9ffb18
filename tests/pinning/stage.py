"""Two nodes that share nothing but the databases and a key, and the servers behind them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pinning.browser import Browser
from tests.pinning.node import Node
from tests.servers import Replication

__all__ = ["IMPLEMENTATIONS", "NO_REPLICAS", "OURS", "PEERS", "Stage", "described", "staged"]

OURS = "ours"
NO_REPLICAS = "the primary alone"
PEERS = ("django-multidb-router", "django_replicated")
IMPLEMENTATIONS = (OURS, *PEERS)

titles = (f"title-{number}" for number in itertools.count(1))


@dataclass
class Stage:
    """What a scenario is played on: the client writes on node ``one`` and reads on node ``two``."""

    one: Node
    two: Node
    servers: Replication
    browser: Browser = field(default_factory=Browser)

    def pause(self) -> None:
        """Let both replicas show all there is, and nothing that comes."""
        self.servers.wait_until_caught_up()
        for replica in self.servers.replicas:
            replica.pause()

    def resume(self) -> None:
        for replica in self.servers.replicas:
            replica.resume()
        self.servers.wait_until_caught_up()

    def title(self) -> str:
        return next(titles)

    def server(self, port: int) -> str:
        return "primary" if port == self.servers.primary.port else "replica"


def described(servers: Replication, implementation: str, **site: Any) -> dict[str, Any]:
    """Return what ``tests.pinning.settings`` needs to know."""
    return {
        "implementation": implementation,
        "primary": servers.primary.settings(),
        "replicas": [
            {"HOST": "127.0.0.1", "PORT": str(replica.port)} for replica in servers.replicas
        ],
        **site,
    }


@contextmanager
def staged(
    servers: Replication, implementation: str, interface: str, **site: Any
) -> Iterator[Stage]:
    """Run two nodes of an implementation for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="nothing-shared-pinning-") as directory:
        nodes = []
        # Under ASGI each request has a thread of its own: it gives its connections to the next by a pool.
        age, is_pooled = (None, False) if interface == "wsgi" else (0, True)
        for name in ("one", "two"):
            Path(directory, f"node-{name}").mkdir(mode=0o700)
            place = {"node": name, "directory": directory, "conn_max_age": age, "pool": is_pooled}
            found = described(servers, implementation, **{**place, **site})
            nodes.append(Node(found, interface=interface))
        stage = Stage(*nodes, servers)
        try:
            for node in nodes:
                node.wait_until_ready()
                # A node that has heard nothing yet asks the primary once, whatever is asked of it.
                stage.browser.get(node, "/read/nothing/")
            stage.browser.close()
            yield stage
        finally:
            stage.browser.close()
            for node in nodes:
                node.close()
