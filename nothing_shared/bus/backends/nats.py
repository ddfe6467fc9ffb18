"""NATS as a bus: JetStream, which replays, or core NATS, which does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

try:
    import nats.aio.client  # noqa: F401  (the modules below import it as well)
except ImportError as failure:
    raise ImportError("it needs nats-py: pip install 'nothing-shared[nats]'") from failure

from nothing_shared.bus.backends.jetstream import JetStreamTransport, Stream
from nothing_shared.bus.backends.jetstream_groups import Verdicts
from nothing_shared.bus.backends.nats_connection import (
    HEADROOM,
    Connection,
    connected,
    failures_of_nats,
    token,
)
from nothing_shared.bus.backends.network import NetworkBus, NetworkOptions
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.conf import option
from nothing_shared.node.process import Node

__all__ = ["NatsBus", "NatsBusOptions"]

URL = "nats://localhost:4222"
MAX_PAYLOAD = 2**20
"""Bytes of the largest message that a NATS server takes unless it is told otherwise."""


@dataclass(frozen=True)
class NatsBusOptions(NetworkOptions):
    mode: Literal["jetstream", "core"] = option(
        "jetstream",
        "JetStream replays what a node missed; core NATS does not, and costs a little less.",
    )
    max_messages: int = option(
        100_000,
        "Messages that the stream keeps; read when it is made, by the first node. Every node sends "
        "several a second, to show that it lives: a node that was away for longer than they last "
        "starts over.",
        minimum=1000,
    )


class NatsBus(NetworkBus):
    """With JetStream: delivers at least once, in one order for all nodes, and replays.

    What was trimmed from the stream, or lost with it, is a gap to those who had yet to read it. The
    stream is made by the first node, on one server: make it yourself, by that name and with those
    subjects, where it shall have replicas. With ``MODE = "core"``: at most once, in each sender's
    order, and without replay. NATS 2.10 or newer.
    """

    is_transactional = False
    options_type = NatsBusOptions

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._urls = [url.strip() for url in str(settings.location or URL).split(",")]
        self._namespace = token(settings.namespace)
        self._verdicts: Verdicts = {}
        keeps = self.options.mode == "jetstream"
        self.replays = self.has_groups = keeps  # type: ignore[misc]
        self.delivers = "at least once" if keeps else "at most once"  # type: ignore[misc]

    def connect(self, node: Node, place: Place | None) -> AbstractAsyncContextManager[Transport]:
        return self._connect(node, place)

    @asynccontextmanager
    async def _connect(self, node: Node, place: Place | None) -> AsyncIterator[Transport]:
        async with connected(self._urls, f"nothing_shared {node.name}") as connection:
            with failures_of_nats():
                transport = await self._open(connection, place)
            yield transport

    async def _open(self, connection: Connection, place: Place | None) -> Transport:
        if self.options.mode == "core":
            return await CoreTransport.open(connection, f"nothing_shared.{self._namespace}.bus")
        stream = Stream(connection, self._namespace, self.options.max_messages)
        return await JetStreamTransport.open(stream, place, self._verdicts)

    @property
    def max_packet(self) -> int:
        return min(super().max_packet, MAX_PAYLOAD - HEADROOM)


class CoreTransport(Transport):
    def __init__(self, connection: Connection, subject: str) -> None:
        self._connection = connection
        self._subject = subject

    @classmethod
    async def open(cls, connection: Connection, subject: str) -> CoreTransport:
        await connection.listen(subject)
        await connection.answer(connection.client.flush())
        return cls(connection, subject)

    async def send(self, parcels: Sequence[Parcel]) -> None:
        with failures_of_nats():
            for parcel in parcels:
                if self._connection.takes(parcel.packet):
                    await self._connection.client.publish(self._subject, parcel.packet)
            await asyncio.sleep(0)  # the client writes now, and not after what follows here
            await self._connection.answer(self._connection.client.flush())

    async def receive(self) -> list[tuple[bytes, int]]:
        with failures_of_nats():
            return [(message.data, 0) for message in await self._connection.arrived()]
