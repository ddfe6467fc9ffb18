"""The cluster: starts the nodes, watches them, and stops them all."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from .directory import Unusable
from .listeners import Listeners

__all__ = ["Cluster", "Node", "prepare"]

START_SECONDS = 60.0
STOP_SECONDS = 8.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster: its name and its gunicorn master."""

    name: str
    master: subprocess.Popen[bytes]

    @property
    def is_gone(self) -> bool:
        return self.master.poll() is not None


def prepare(directory: Path) -> None:
    """Migrate and fill the database, in a process that is gone when the nodes start."""
    command = [sys.executable, "-m", "demo_site.prepare", str(os.getpid())]
    environment = _environment(directory, "node-1")
    done = subprocess.run(command, check=False, env=environment, start_new_session=True)
    if done.returncode:
        raise Unusable(f"The database in {directory} could not be prepared.")


def _environment(directory: Path, name: str, ports: list[int] | None = None) -> dict[str, str]:
    return {
        **os.environ,
        "DEMO_DIRECTORY": str(directory),
        "DEMO_NODE": name,
        "DEMO_PORTS": ",".join(map(str, ports or [])),
    }


@dataclass(slots=True)
class Cluster:
    """All nodes. Leaving its ``with`` block stops them, waits for them, and kills the deaf."""

    directory: Path
    workers: int
    nodes: list[Node] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def start(self, listeners: Listeners) -> None:
        """Start one node for each pair of sockets, and wait until all workers are up."""
        ready, tell = os.pipe()
        with closing(listeners), open(tell, "wb", buffering=0):
            for number, sockets in enumerate(zip(listeners.front, listeners.own, strict=True), 1):
                fds = [listener.fileno() for listener in sockets]
                environment = _environment(self.directory, f"node-{number}", listeners.own_ports)
                self._start_node(fds, tell, environment)
        with open(ready, "rb", buffering=0) as told:
            self._wait_until_all_have(told)

    def _start_node(self, fds: list[int], tell: int, environment: dict[str, str]) -> None:
        command = [
            *(sys.executable, "-m", "demo_site.web"),
            *("--parent", str(os.getpid()), "--workers", str(self.workers), f"--ready={tell}"),
            *(f"--listener={fd}" for fd in fds),
        ]
        # a session of its own: Ctrl-C is for the one who stops them all
        master = subprocess.Popen(
            command, env=environment, pass_fds=(*fds, tell), start_new_session=True
        )
        self.nodes.append(Node(environment["DEMO_NODE"], master))

    def _wait_until_all_have(self, told: IO[bytes]) -> None:
        """Wait for one byte from every worker."""
        deadline = time.monotonic() + START_SECONDS
        missing = len(self.nodes) * self.workers
        while missing > 0:
            if select.select([told], [], [], LOOK_SECONDS)[0]:
                missing -= len(told.read(missing))
            if any(node.is_gone for node in self.nodes):
                raise Unusable("A node could not start; what it said is above.")
            if time.monotonic() > deadline:
                raise Unusable(f"{missing} workers did not start within {START_SECONDS:.0f} s.")

    def watch(self) -> None:
        """Report nodes that die; return when none is left."""
        alive = list(self.nodes)
        while alive:
            time.sleep(LOOK_SECONDS)
            for node in [node for node in alive if node.is_gone]:
                alive.remove(node)
                rest = f"{len(alive)} left" if alive else "none left"
                print(f"{node.name} is gone (status {node.master.returncode}), {rest}.", flush=True)

    def stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for node in self.nodes:
            node.master.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for node in self.nodes:
            try:
                node.master.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                node.master.kill()
                node.master.wait()
