"""What the node's agent does for its caches."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.core.cache import caches

from nothing_shared.cache.backends import MachineCache
from nothing_shared.node import agent
from nothing_shared.node.process import Node

__all__ = ["install"]

INTERVAL = 5.0


def install() -> None:
    agent.duties.setdefault("cache", _free_dead_readers)


async def _free_dead_readers(node: Node) -> None:
    """Free the pages that readers of L2 hold who were killed while they read."""
    while True:
        await asyncio.sleep(INTERVAL)
        for alias in settings.CACHES:
            cache = caches[alias]
            if isinstance(cache, MachineCache):
                cache.upkeep()
