"""The settings of a node: ``NOTHING_SHARED_NODE``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nothing_shared.conf import option, read

__all__ = ["SETTING", "NodeSettings", "node_settings"]

SETTING = "NOTHING_SHARED_NODE"


def _is_table_size(count: int) -> bool:
    return count >= 1024 and not count & (count - 1)


@dataclass(frozen=True)
class NodeSettings:
    directory: Path | None = option(
        None,
        "Where this node keeps its change table and caches: on a local disk or tmpfs, the same for "
        "all workers of the node, and nobody else's. `None`: a directory per user and project on "
        "tmpfs where there is room, else in the user's cache directory.",
    )
    name: str | None = option(
        None, "What the node is called in logs and on the status page. `None`: the host's name."
    )
    lease: float = option(
        2.0,
        "Seconds after which a node that hears nothing stops believing its caches. The same on all "
        "nodes. Staleness under any fault is bounded by a small multiple of it.",
        minimum=0.2,
        maximum=60,
    )
    max_staleness: float = option(
        30.0,
        "Seconds after its fill began for which a value that is known or feared to be old may be "
        "served, where a cache allows that at all. The same on all nodes.",
        minimum=0,
        maximum=3600,
    )
    slots: int = option(
        2**20,
        "Slots of the change table, 8 bytes each. More slots, fewer needless misses.",
        rule=("a power of two, 1024 or more", _is_table_size),
    )


def node_settings() -> NodeSettings:
    return read(SETTING, NodeSettings)
