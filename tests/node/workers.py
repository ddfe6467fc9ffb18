"""Real processes that a test can tell what to run, stop, wake and kill."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from tests.processes import state_of
from tests.wait import wait_until

__all__ = ["Died", "Worker", "Workers"]

Result = TypeVar("Result")

PATIENCE = 30.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.node.zygote"])


class Died(Exception):
    """The worker ended before it answered."""


class Failed(Exception):
    """What the worker was told to run raised; the text is its traceback."""


class Worker:
    """A process that runs functions of modules which it can import, one at a time."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, dict(settings)), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Run a function there and return what it returns; raise Died or Failed if it doesn't."""
        self.begin(function, *args)
        return self.result()

    def begin(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            self._pipe.send((function, args))
        except OSError as failure:
            raise Died from failure

    def result(self) -> Any:
        if not self._pipe.poll(PATIENCE):
            raise AssertionError(f"process {self.pid} did not answer within {PATIENCE} s")
        try:
            succeeded, value = self._pipe.recv()
        except (EOFError, OSError) as failure:
            raise Died from failure
        if not succeeded:
            raise Failed(value)
        return value

    def has_answered(self) -> bool:
        return self._pipe.poll()

    def kill(self) -> None:
        """SIGKILL it and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.join(PATIENCE)
        self._pipe.close()

    def stop(self) -> None:
        """SIGSTOP it and wait until it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", what="the process stands still")

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def hang_up(self) -> None:
        """Have it exit as a server does that is told to, once it has done what it was told before."""
        self._pipe.close()

    def leave(self) -> int | None:
        """Have it exit, and return its exit code."""
        self.hang_up()
        self._process.join(PATIENCE)
        return self._process.exitcode

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()


class Workers:
    """The workers of one test, none of which outlives it."""

    def __init__(self) -> None:
        self._started: list[Worker] = []

    def start(self, **settings: Any) -> Worker:
        """Start a process in which these settings are set."""
        worker = Worker(settings)
        self._started.append(worker)
        return worker

    def close(self) -> None:
        for worker in self._started:
            worker.kill()


@contextlib.contextmanager
def workers() -> Iterator[Workers]:
    started = Workers()
    try:
        yield started
    finally:
        started.close()


def _serve(pipe: Connection, overrides: dict[str, Any]) -> None:
    from django.conf import settings

    from tests.node import zygote  # noqa: F401 where the server could not import it

    for name, value in overrides.items():
        setattr(settings, name, value)
    while True:
        try:
            function, args = pipe.recv()
        except (EOFError, ConnectionResetError):
            atexit._run_exitfuncs()  # as any server's worker does; multiprocessing's own may not
            return
        try:
            reply = (True, function(*args))
        except Exception:
            reply = (False, traceback.format_exc())
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
            pipe.send(reply)
