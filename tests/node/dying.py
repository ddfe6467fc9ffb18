"""Die on a given line of a given function, as a SIGKILL that happens to come right then."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["die_in"]


def die_in(function: Callable[..., Any], step: int) -> None:
    """Have this process killed before the ``step``-th line that the function executes from now on."""
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
