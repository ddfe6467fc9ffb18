"""All that a history is played on: three nodes, a bus, a primary with two replicas, lines between them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pinning.node import Node
from tests.pinning.stage import NO_REPLICAS, OURS
from tests.servers import Proxy, RedisServer, Replication, proxied, redis, replicated
from tests.servers.replicas import ReplicaServer
from tests.servers.running import running

__all__ = ["LEASE", "Estate", "estate"]

NODES = ("one", "two", "three")
LEASE = 1.0
JUNK = "SELECT pg_logical_emit_message(false, 'junk', repeat('x', 100000))"


@dataclass
class Estate:
    """Sites know the servers by the lines that lead to them, so that a server can take another's place."""

    servers: Replication
    primary_line: Proxy
    replica_lines: list[Proxy]
    bus_line: Proxy
    directory: Path
    stack: ExitStack
    nodes: list[Node] = field(default_factory=list)
    site: dict[str, Any] = field(default_factory=dict)
    interface: str = "wsgi"

    def open(self, implementation: str, *, mutant: str = "", interface: str = "wsgi") -> None:
        """Start the nodes of an implementation, on tables that are there already or made now."""
        primary = {**self.servers.primary.settings(), "PORT": str(self.primary_line.port)}
        lines = [{"HOST": "127.0.0.1", "PORT": str(line.port)} for line in self.replica_lines]
        self.interface = interface
        self.site = {
            "implementation": implementation,
            "primary": {**primary, "OPTIONS": {"connect_timeout": 5}},
            "replicas": lines,
            "redis": self.bus_line.port if implementation == OURS else 0,
            "node_options": {"LEASE": LEASE, "MAX_STALENESS": 2.0},
            "directory": tempfile.mkdtemp(dir=self.directory),
            **({"mutant": mutant} if mutant else {}),
        }
        for name in NODES:
            Path(self.site["directory"], f"node-{name}").mkdir(mode=0o700)
        self.nodes = [self.start(name) for name in NODES]
        for node in self.nodes:
            node.wait_until_ready()

    def start(self, name: str) -> Node:
        return Node({**self.site, "node": name}, interface=self.interface)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
        self.nodes = []

    def restart(self, number: int) -> None:
        """Kill a node, and start it again under the same name."""
        self.nodes[number].kill()
        node = self.start(self.nodes[number].name)
        node.wait_until_ready()
        self.nodes[number] = node

    def fail_over(self) -> None:
        """Promote the first replica, and leave the second with the old primary, which writes on.

        Nothing is lost that was acknowledged: the old primary is cut off first, the new one catches up.
        """
        old, (new, other) = self.servers.primary, self.servers.replicas
        self.primary_line.refuse()
        self.primary_line.cut()
        new.lag(0)
        new.resume()
        new.attach()
        self.servers.wait_until_caught_up(new)
        new.promote()
        for _ in range(20):
            old.ask(JUNK)
        self.primary_line.lead_to(new.port)
        self.primary_line.accept()
        self.servers = Replication(new, [other])

    def make_whole(self, old: Any) -> None:
        """Let the second replica follow the new primary, and put one in the old primary's stead."""
        (other,) = self.servers.replicas
        primary = self.servers.primary
        other.rebuild(primary)
        fresh = ReplicaServer(arguments=other.arguments, source=primary)
        self.stack.enter_context(running(fresh))
        self.replica_lines[0].lead_to(fresh.port)
        self.replica_lines[1].lead_to(other.port)
        for line in self.replica_lines:
            line.cut()
        old.stop()
        self.servers = Replication(primary, [fresh, other])


@contextmanager
def estate() -> Iterator[Estate]:
    """Start the servers and make the tables; which nodes are there is up to ``open``."""
    with ExitStack() as stack:
        servers = stack.enter_context(replicated())
        broker: RedisServer = stack.enter_context(redis())
        lines = [
            stack.enter_context(proxied(server.port))
            for server in (servers.primary, *servers.replicas, broker)
        ]
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nothing-shared-")))
        found = Estate(servers, lines[0], lines[1:3], lines[3], directory, stack)
        stack.callback(found.close)
        found.open(NO_REPLICAS)
        found.nodes[0].run("migrate")
        found.close()
        servers.wait_until_caught_up()
        yield found
