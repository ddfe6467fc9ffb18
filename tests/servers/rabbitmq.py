"""RabbitMQ, from Debian's package: a node of its own, beside and apart from the system's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.running import Server, free_port, greeting, running

__all__ = ["RabbitMQServer", "rabbitmq"]

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in PATH runs the system's node
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
log.console = true
log.file = false
disk_free_limit.absolute = 1MB
"""
ON_LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


@dataclass(eq=False)
class PortMapper(Server):
    """Erlang's epmd, by which its nodes find each other; left to itself it outlives them."""

    name = "epmd"

    def command(self) -> list[object]:
        program = shutil.which("epmd")
        assert program is not None, "apt-get install rabbitmq-server"
        return [program, "-address", "127.0.0.1", "-port", self.port]

    def answers(self) -> bool:
        names_request = b"\0\1n"
        return bool(greeting(self.port, names_request))


@dataclass(eq=False)
class RabbitMQServer(Server):
    """A running RabbitMQ with its user ``guest``; durable queues survive a restart."""

    name = "RabbitMQ"

    port_mapper: int = 0
    distribution_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def prepare(self) -> None:
        (self.home / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port))
        (self.home / "enabled_plugins").write_text("[].\n")
        (self.home / "environment").touch()

    def command(self) -> list[object]:
        assert PROGRAM.exists(), "apt-get install rabbitmq-server"
        return [PROGRAM]

    def surroundings(self) -> dict[str, Any]:
        node = {
            "RABBITMQ_NODENAME": f"nothing-shared-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ON_LOOPBACK_ONLY,
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "environment"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "logs"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.port_mapper),
            "HOME": str(self.home),  # where the cookie is
            "RUNNING_UNDER_SYSTEMD": "true",  # Erlang takes the shell's place, and its signals
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        return {"env": inherited | node}

    def answers(self) -> bool:
        connection_start = b"\x01\0\0"  # a method, on channel 0
        return greeting(self.port, b"AMQP\0\0\x09\x01").startswith(connection_start)


@contextmanager
def rabbitmq() -> Iterator[RabbitMQServer]:
    """Run RabbitMQ with nothing in it; it takes some seconds to start."""
    with (
        running(PortMapper()) as mapper,
        running(RabbitMQServer(port_mapper=mapper.port)) as server,
    ):
        yield server
