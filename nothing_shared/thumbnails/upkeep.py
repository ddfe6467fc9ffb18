"""What the node's agent does for its thumbnails: keep their bytes within the bound."""

from __future__ import annotations

import asyncio
import logging

from nothing_shared.locks import LockTimeout
from nothing_shared.node import agent
from nothing_shared.node.process import Node
from nothing_shared.thumbnails.conf import thumbnail_settings
from nothing_shared.thumbnails.disk import Disk

__all__ = ["disk_of", "install"]

logger = logging.getLogger("nothing_shared.thumbnails")

INTERVAL = 60.0


def install() -> None:
    agent.duties.setdefault("thumbnails", _trim)


def disk_of(node: Node) -> Disk:
    options = thumbnail_settings()
    directory = options.directory or node.directory / "thumbnails"
    is_open = bool(options.accel_header)
    return Disk(directory, max_bytes=options.cache_bytes, is_open=is_open)


async def _trim(node: Node) -> None:
    """Count anew what is there, since deletions and killed writers are counted by nobody else."""
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            await asyncio.to_thread(disk_of(node).trim)
        except (LockTimeout, OSError) as failure:
            logger.warning("the thumbnails of node %s can't be trimmed: %r", node.name, failure)
