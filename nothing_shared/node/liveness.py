"""Tell a live process from a dead one whose number another may have got since."""

from __future__ import annotations

import os

__all__ = ["is_alive", "start_time"]


def start_time(pid: int) -> int:
    """Return when a process started (clock ticks since boot), 0 if it is gone or the system won't say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in b"ZX" else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    """Say whether the process that started then still lives; a zombie doesn't."""
    if os.path.exists("/proc/self/stat"):
        return start_time(pid) == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
