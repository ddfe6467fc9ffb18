"""Die on a given line of a given function, as a SIGKILL that happens to come right then."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

__all__ = ["deaths"]


def deaths(function: Callable[..., Any], work: Callable[[int], object]) -> Iterator[int]:
    """Yield each step after a child of this process, doing its work, was killed on that step's line.

    The lines are those that the function executes while ``work(step)`` runs; it ends with the first
    child that got through. Call it in a worker: a test process has threads that a fork would lose.
    """
    for step in count(1):
        child = os.fork()
        if not child:
            _die_in(function, step)
            work(step)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
            return
        yield step


def _die_in(function: Callable[..., Any], step: int) -> None:
    lines = 0

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if frame.f_code is not function.__code__:
            return None
        if event == "line":
            lines += 1
            if lines == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return watch

    sys.settrace(watch)
