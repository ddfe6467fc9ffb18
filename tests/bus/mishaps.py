"""Resilience mode: a bus that drops, doubles, delays and reorders one message in twenty."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from nothing_shared.bus.backends.redis import RedisBus
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.node.process import Node

__all__ = ["MishapBus"]

SHARE = 0.05


class MishapBus(RedisBus):
    """Pub/sub over a line on which things go wrong. Heartbeats are not spared."""

    def connect(self, node: Node, place: Place | None) -> AbstractAsyncContextManager[Transport]:
        return self._through_mishaps(node, place)

    @asynccontextmanager
    async def _through_mishaps(self, node: Node, place: Place | None) -> AsyncIterator[Transport]:
        async with super().connect(node, place) as transport:
            yield Mishaps(transport)


class Mishaps(Transport):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._chance = random.Random()
        self._delayed: list[tuple[bytes, int]] = []

    async def send(self, parcels: Sequence[Parcel]) -> None:
        await self._transport.send(parcels)

    async def receive(self) -> list[tuple[bytes, int]]:
        packets: list[tuple[bytes, int]] = []
        for packet in await self._transport.receive():
            overtaken, self._delayed = self._delayed, []
            fate = self._chance.random() / SHARE
            if fate > 1:
                packets.append(packet)
            elif fate > 0.7:
                packets += [packet, packet]
            elif fate > 0.4:
                self._delayed.append(packet)
            packets += overtaken  # what comes late comes after what was sent later
        return packets
