"""Durable subscriptions: a message waits in the broker until a handler has succeeded with it."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from itsdangerous import Signer

from nothing_shared.bus.delivery import call
from nothing_shared.bus.message import Unreadable, unseal
from nothing_shared.bus.topics import Subscription, subscriptions
from nothing_shared.bus.transport import Transport
from nothing_shared.node.process import Node

__all__ = ["Groups"]

logger = logging.getLogger("nothing_shared.bus")

LOOK, RETRY = 0.5, 1.0
"""Seconds after which a new subscription is noticed, and one that failed tried again."""


class Groups:
    """Works for each of this process's durable subscriptions while there is a connection."""

    def __init__(self, node: Node, signer: Signer) -> None:
        self._node = node
        self._signer = signer

    async def keep(self, transport: Transport) -> None:
        at_work: set[tuple[str, str]] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for known in subscriptions():
                    share = (known.topic, self._group_of(known))
                    if known.is_durable and share not in at_work:
                        at_work.add(share)
                        tasks.create_task(self._work(transport, *share))
                await asyncio.sleep(LOOK)

    async def _work(self, transport: Transport, topic: str, group: str) -> None:
        """Work again and again: what is wrong with one share is not the others' end."""
        while True:
            try:
                await transport.work(topic, group, partial(self._handle, topic, group))
            except OSError as failure:
                logger.warning(
                    "node %s can't work for group %r of topic %r: %s",
                    self._node.name, group, topic, failure,
                )  # fmt: skip
            await asyncio.sleep(RETRY)

    def _group_of(self, known: Subscription) -> str:
        """Return the group's name: without one each node is a group, which gets every message."""
        return known.group or f"node.{self._node.name}"

    async def _handle(self, topic: str, group: str, packet: bytes) -> bool:
        """Run all handlers of a share, and say whether all succeeded: else all run again."""
        try:
            message = unseal(packet, self._signer)
        except (Unreadable, ValueError, RecursionError) as failure:
            logger.warning("node %s dropped a packet: %s", self._node.name, failure)
            return True
        done = [
            await call(known.handler, message)
            for known in subscriptions(topic)
            if known.is_durable and self._group_of(known) == group
        ]
        return all(done)
