"""What a worker can be told to do as a part of its node."""

from __future__ import annotations

import os
import threading

from nothing_shared.node import Change, layout, process, slots
from nothing_shared.node.intents import Intent

__all__ = [
    "agent_pid",
    "change",
    "changed",
    "clear",
    "close",
    "epochs",
    "intend",
    "is_agent",
    "is_leased",
    "join",
    "lease_left",
    "now",
    "pid",
    "standing",
    "table_id",
    "term",
    "threads",
]


def join() -> int:
    """Open the node that the settings name, and return its table's id."""
    return process.current().table.id


def close() -> None:
    process.close()


def table_id() -> int:
    return process.current().table.id


def is_agent() -> bool:
    return process.current().agent.is_leading


def agent_pid() -> int:
    return process.current().table.words[layout.AGENT_PID]


def term() -> int:
    return process.current().table.words[layout.AGENT_TERM]


def is_leased() -> bool:
    return process.current().table.leased()


def lease_left() -> int:
    table = process.current().table
    return table.words[layout.LEASE_UNTIL] - table.clock()


def now() -> int:
    return process.current().table.clock()


def epochs() -> int:
    return process.current().table.words[layout.EPOCHS]


def change(*touched: int) -> bool:
    """Commit a change of some slots."""
    return process.current().commit(Change(touched))


def changed(slot: int) -> int:
    """Return when this node believes a slot to have changed last, everything included."""
    table = process.current().table
    return max(table.changed[slots.EPOCH], table.changed[table.index(slot)])


def intend(*touched: int, session: int = 0) -> None:
    """Leave word of a change, and neither commit nor clear it."""
    intent = process.current().intend(touched, session=session)
    assert intent is not None
    _kept.append(intent)


def clear() -> None:
    """Clear what this worker has intended."""
    while _kept:
        process.current().intents.give_back(_kept.pop())


_kept: list[Intent] = []


def standing() -> int:
    return process.current().intents.standing()


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def pid() -> int:
    return os.getpid()
