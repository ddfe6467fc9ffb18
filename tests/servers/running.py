"""What all servers share: a directory, a port, a process, and ways to do it harm."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tests.processes import family
from tests.wait import wait_until

__all__ = ["Server", "as_nobody", "free_port", "greeting", "program_in_wheel", "running"]

NOBODY = 65534


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_home() -> Path:
    return Path(tempfile.mkdtemp(prefix="nothing-shared-server-"))


@dataclass(eq=False)
class Server(ABC):
    """A server on the loopback, which keeps its port and its data from one start to the next.

    Its data is safe from ``stop`` and ``kill``, but for what a subclass says.
    """

    name: ClassVar[str]
    stops_at: ClassVar[signal.Signals] = signal.SIGTERM

    home: Path = field(default_factory=new_home)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @abstractmethod
    def command(self) -> list[object]:
        """Return what to run, in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether a client is served."""

    def prepare(self) -> None:  # noqa: B027  (most have nothing to write)
        """Write what must be in its home before the first start."""

    def surroundings(self) -> dict[str, Any]:
        """Return the environment and the user to run it in, as ``Popen`` has them."""
        return {}

    @property
    def log(self) -> Path:
        return self.home / "log"

    def start(self) -> None:
        """Start it, with the data of the last time, and return when it answers."""
        assert self.process is None, f"{self.name} is running"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,  # a Ctrl-C in the terminal is for the tests alone
                **self.surroundings(),
            )
        wait_until(self.is_up, timeout=60, what=self.name)

    def is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        return self.answers()

    def stop(self) -> None:
        """Ask it to end, and wait until it has; do nothing where it is not running."""
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(self.stops_at)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=60)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a loss of power would for all but the disk."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(timeout=60)
            self.process = None

    def freeze(self) -> None:
        """Let it hang: its connections stay open, new ones are made, and nothing answers."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None, f"{self.name} is not running"
        if self.process.poll() is None:
            for process in family(self.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(process, number)


AnyServer = TypeVar("AnyServer", bound=Server)


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server for the time of the block; its data is gone afterwards."""
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.home, ignore_errors=True)


def as_nobody() -> dict[str, Any]:
    """Return how to run what refuses to run as root."""
    if os.getuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def program_in_wheel(distribution: str, name: str) -> Path:
    """Return the path of a program that an installed wheel brought."""
    try:
        found = [file.locate() for file in files(distribution) or () if file.name == name]
    except PackageNotFoundError:
        found = []
    assert found, f"{distribution} brings no {name}: pip install 'nothing-shared[test]'"
    return Path(str(found[0])).resolve()


def greeting(port: int, request: bytes = b"") -> bytes:
    """Return the first bytes that a server answers, none where it does not."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(request)
        return client.recv(4096)
    return b""
