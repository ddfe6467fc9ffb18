"""Clocks that only move when a test says so."""

from __future__ import annotations

import os
import signal

__all__ = ["HandClock", "last_moment"]


class HandClock:
    """Nanoseconds since a boot that never was."""

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, by: int = 1) -> int:
        self.now += by
        return self.now


def last_moment() -> int:
    """Be the clock of a process that is killed when it looks at it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
