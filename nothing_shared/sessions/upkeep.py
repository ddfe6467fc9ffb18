"""What the node's agent does for sessions."""

from __future__ import annotations

import asyncio
import logging
import random

from django.db import DatabaseError, close_old_connections

from nothing_shared.node import agent
from nothing_shared.node.process import Node

__all__ = ["install"]

logger = logging.getLogger("nothing_shared.sessions")

INTERVAL = 3600.0


def install() -> None:
    agent.duties.setdefault("sessions", _forget_old_revocations)


async def _forget_old_revocations(node: Node) -> None:
    """Delete, about once an hour, what no cookie could need any more."""
    while True:
        await asyncio.sleep(INTERVAL * random.uniform(0.5, 1.5))
        await asyncio.to_thread(_purge)


def _purge() -> None:
    from nothing_shared.sessions.revocations import purge

    close_old_connections()
    try:
        purge()
    except DatabaseError as failure:
        logger.warning("old revocations could not be deleted: %s", failure)
    finally:
        close_old_connections()
