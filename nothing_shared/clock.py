"""The one clock: nanoseconds since this machine booted, suspended time included."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

__all__ = ["NEVER", "SECOND", "Clock", "boot_id", "boottime_ns"]

Clock = Callable[[], int]
"""Returns nanoseconds on a clock that no administrator and no NTP daemon can step."""

SECOND = 1_000_000_000
NEVER = 2**64 - 1
"""A time that never comes."""

if sys.platform == "linux":
    boottime_ns: Clock = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
else:  # macOS counts suspended time in this clock already
    boottime_ns = time.monotonic_ns
"""Returns nanoseconds since boot, time spent suspended included."""


def boot_id() -> str:
    """Name this boot of this machine; "" where the system has no such name.

    Times of :func:`boottime_ns` mean nothing on another boot, so all that stores one stores this too.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
