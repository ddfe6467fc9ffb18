"""A process that has imported everything and set up nothing: workers are forked off it in no time.

``python -m tests.cluster.zygote FD`` reads, from a socket, environments with two pipes each, and
answers each with the process id of the worker that speaks over them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import warnings
from typing import Any

from tests.wait import wait_until

__all__ = ["ForkedProcess", "Zygote"]


class ForkedProcess:
    """Looks like a ``Popen`` to the harness; the zygote is its parent."""

    def __init__(self, pid: int, stdin: int, stdout: int) -> None:
        self.pid = pid
        self.stdin = os.fdopen(stdin, "w")
        self.stdout = os.fdopen(stdout)

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self, timeout: float = 60.0) -> int:
        wait_until(lambda: self.poll() is not None, timeout, what=f"the end of worker {self.pid}")
        return 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Zygote:
    """The test run's side."""

    def __init__(self) -> None:
        import subprocess

        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )

    def fork(self, environment: dict[str, str]) -> ForkedProcess:
        their_stdin, stdin = os.pipe()
        stdout, their_stdout = os.pipe()
        told = json.dumps(environment).encode()
        socket.send_fds(
            self._socket, [len(told).to_bytes(4, "little")], [their_stdin, their_stdout]
        )
        self._socket.sendall(told)
        os.close(their_stdin)
        os.close(their_stdout)
        pid = int.from_bytes(self._socket.recv(4), "little")
        return ForkedProcess(pid, stdin, stdout)

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


def main(fd: int) -> None:
    import django.core.management
    import django.db.backends.sqlite3.base
    import django.db.migrations.executor
    import django.template.loader
    import django.test
    import django.test.client
    import lmdb

    import nothing_shared.bus.backends.local
    import nothing_shared.cache.loading

    assert django and lmdb and nothing_shared
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    with socket.socket(fileno=fd) as told:
        while True:
            head, pipes, *_ = socket.recv_fds(told, 4, 2)
            if not head:
                return
            environment = _receive(told, int.from_bytes(head, "little"))
            pid = os.fork()
            if not pid:
                break
            for pipe in pipes:
                os.close(pipe)
            told.sendall(pid.to_bytes(4, "little"))
    _be_worker(json.loads(environment), *pipes)


def _receive(told: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += told.recv(length - len(data))
    return data


def _be_worker(environment: dict[str, str], stdin: int, stdout: int) -> Any:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.close(stdin)
    os.close(stdout)
    os.environ.clear()
    os.environ.update(environment)
    from tests.cluster import repl

    repl.main(os.fdopen(0), os.fdopen(1, "w"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
