"""Durable subscriptions: a message waits in the broker until a handler has succeeded with it."""

from __future__ import annotations

import asyncio
import logging

from itsdangerous import Signer

from nothing_shared.bus.delivery import call
from nothing_shared.bus.message import Unreadable, unseal
from nothing_shared.bus.topics import Subscription, subscriptions
from nothing_shared.bus.transport import Transport
from nothing_shared.node.process import Node

__all__ = ["Groups"]

logger = logging.getLogger("nothing_shared.bus")

LOOK = 0.5
"""Seconds after which a new subscription is noticed."""


class Groups:
    """Works for each of this process's durable subscriptions while there is a connection."""

    def __init__(self, node: Node, signer: Signer) -> None:
        self._node = node
        self._signer = signer

    async def keep(self, transport: Transport) -> None:
        at_work: set[Subscription] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for known in subscriptions():
                    if known.is_durable and known not in at_work:
                        at_work.add(known)
                        tasks.create_task(self._work(transport, known))
                await asyncio.sleep(LOOK)

    async def _work(self, transport: Transport, known: Subscription) -> None:
        async def handle(packet: bytes) -> bool:
            try:
                message = unseal(packet, self._signer)
            except (Unreadable, ValueError, RecursionError) as failure:
                logger.warning("node %s dropped a packet: %s", self._node.name, failure)
                return True
            return await call(known.handler, message)

        # Without a group, each node is one: it gets every message.
        await transport.work(known.topic, known.group or f"node.{self._node.name}", handle)
