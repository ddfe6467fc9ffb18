"""What the kernel tells of processes, any of which may end or close a file meanwhile."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["family", "open_files", "state_of"]


def state_of(pid: int) -> str:
    """Return the kernel's letter for a process's state, "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def open_files(pid: int | str = "self") -> dict[int, str]:
    """Return what a process's descriptors stand for."""
    files = {}
    with suppress(FileNotFoundError, ProcessLookupError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                files[int(path.name)] = str(path.readlink())
    return files


def family(process: int) -> list[int]:
    """Return a process and all that descend from it, which may lead sessions of their own."""
    members = [process]
    for member in members:
        with suppress(FileNotFoundError, ProcessLookupError):
            for children in Path(f"/proc/{member}/task").glob("*/children"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    members += [int(child) for child in children.read_text().split()]
    return members
