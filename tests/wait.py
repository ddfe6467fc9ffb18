"""The one way in which a test waits for another thread or process."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

__all__ = ["wait_until"]

Result = TypeVar("Result")


def wait_until(
    condition: Callable[[], Result],
    timeout: float = 30.0,
    *,
    interval: float = 0.005,
    what: str = "",
) -> Result:
    """Return the condition's first true result; fail after ``timeout`` seconds without one.

    ``timeout`` only bounds a failure, so be generous: a loaded machine is slow.
    """
    deadline = monotonic() + timeout
    while not (result := condition()):
        if monotonic() > deadline:
            name = what or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"{name} did not come true within {timeout} s, is {result!r}")
        sleep(interval)
    return result
