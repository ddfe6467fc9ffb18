"""What all buses between machines share: the outbox, the roster, the agent that carries."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import DatabaseError

from nothing_shared.bus.backends.moored import MooredBus
from nothing_shared.bus.carrier import LOST, Carrier
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.errors import BusUnavailable
from nothing_shared.bus.membership import Membership
from nothing_shared.bus.outbox import Outbox
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.conf import option, parse
from nothing_shared.node.process import Node

__all__ = ["NetworkBus", "NetworkOptions"]

logger = logging.getLogger("nothing_shared.bus")

FAREWELL = 2.0
"""Seconds that the last process of a node takes at most to send what is left, and to say goodbye."""


@dataclass(frozen=True)
class NetworkOptions:
    ring_bytes: int = option(
        2**20,
        "What may wait on a node for a broker that is away. A quarter of it is kept for changes.",
        minimum=2**16,
    )


class NetworkBus(MooredBus[Outbox]):
    """A broker between machines, to which each node has one connection: its agent's.

    Publishing writes to a ring on this machine and never waits for a network. The agent sends what
    stands there, and again until the broker has it.
    """

    is_one_machine = False
    options_type: ClassVar[type[NetworkOptions]] = NetworkOptions

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self.options: Any = parse(
            "NOTHING_SHARED_BUS['OPTIONS']", settings.options, self.options_type
        )

    @abstractmethod
    def connect(self, node: Node, place: Place | None) -> AbstractAsyncContextManager[Transport]:
        """Connect to the broker, to read on from a place; raise OSError where that can't be done.

        Once it is entered, everything sent from then on is received.
        """

    def introduce(self, node: Node) -> None:
        """Sit down on the roster before a write: nobody would wait for the news of a stranger's."""
        membership = Membership(node, self.settings)
        try:
            membership.refresh()
        except (DatabaseError, OSError) as failure:
            logger.warning("node %s writes without a seat on the roster: %s", node.name, failure)
        finally:
            membership.close()

    def wake(self, berth: Outbox, node: Node, topic: str) -> None:
        berth.wake()

    def leave(self, node: Node) -> None:
        left = self.cast_off(node)
        if left is not None and left[1]:
            # In a thread of its own, since this one may have a loop that runs.
            thread = threading.Thread(target=self._say_goodbye, args=(node, left[0]), daemon=True)
            thread.start()
            thread.join(2 * FAREWELL)  # a database that hangs keeps no process from its end

    def _say_goodbye(self, node: Node, outbox: Outbox) -> None:
        """Send the rest and leave the roster; a node that can't has vanished, and is a gap to all."""
        membership = Membership(node, self.settings)
        try:
            asyncio.run(self._send_rest(node, outbox))
            membership.leave()
        except (*LOST, DatabaseError, BaseExceptionGroup) as failure:
            logger.warning("node %s leaves without a goodbye: %r", node.name, failure)
        finally:
            membership.close()

    async def _send_rest(self, node: Node, outbox: Outbox) -> None:
        async with asyncio.timeout(FAREWELL), self.connect(node, None) as transport:
            parcels, after = outbox.waiting(transport.most_at_once)
            while parcels:
                await transport.send(parcels)
                outbox.note_sent(after)
                parcels, after = outbox.waiting(transport.most_at_once)

    async def listen(self, node: Node, receiver: Receiver) -> None:
        membership = Membership(node, self.settings)
        try:
            while not node.table.is_retired:
                await Carrier(
                    lambda place: self.connect(node, place),
                    self.berth(node),
                    node,
                    receiver,
                    membership,
                    self.seal,
                    may_lose=not self.replays,
                ).keep()
        finally:
            membership.close()

    def moor(self, node: Node) -> Outbox:
        return Outbox(node, self.seal, ring_bytes=self.options.ring_bytes)

    @property
    def max_packet(self) -> int:
        return int(self.options.ring_bytes) // 8

    def unavailable(self, node: Node, failure: Exception) -> BusUnavailable:
        return BusUnavailable(f"the outbox of node {node.name} is out of reach: {failure}")
