"""What the node's agent does for replicas: it asks primaries how far they have got, before readers must."""

from __future__ import annotations

import asyncio

from django.db import connections

from nothing_shared.clock import SECOND
from nothing_shared.locks import LockTimeout
from nothing_shared.node import agent
from nothing_shared.node.positions import UNKNOWN
from nothing_shared.node.process import Node
from nothing_shared.pinning.mixin import PinningMixin

__all__ = ["install", "settle_doubts"]


def install() -> None:
    agent.duties.setdefault("positions", _watch)


async def _watch(node: Node) -> None:
    while True:
        if node.table.positions.doubtful:
            await asyncio.to_thread(settle_doubts, node)
        await asyncio.sleep(node.lease / SECOND / 4)


def settle_doubts(node: Node) -> None:
    """Ask the primary of each database of which nobody knows how far it has got."""
    for connection in connections.all():
        if isinstance(connection, PinningMixin) and connection.fleet is not None:
            _settle(node, connection, connection.fleet.slot)


def _settle(node: Node, connection: PinningMixin, database: int) -> None:
    positions = node.table.positions
    if database in positions.doubtful:
        try:
            seen = positions.seen(positions.cells(database, None) or ())
            position = connection.look()
            if position != UNKNOWN:
                node.table.settle(seen, position)
        except LockTimeout:
            pass  # the next round
        finally:
            connection.close()
