"""The way from agent to agent alone: what a backend does in the place of its raw client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic_ns
from typing import Any

from tests.benchmarks.raw_buses import TOPIC, Asynchronous, Heard, stamped, time_of
from tests.benchmarks.site import set_up

__all__ = ["Transported"]


class Transported(Asynchronous):
    """Two nodes without an agent: this is what an agent has of its backend, signatures included."""

    def __init__(self, directory: Path, node: str, own: dict[str, Any]) -> None:
        set_up(directory, node=node, **own)
        from nothing_shared.bus import process as buses
        from nothing_shared.node.conf import node_settings
        from nothing_shared.node.directory import node_directory
        from nothing_shared.node.process import Node

        self.node = Node(node_directory(), node_settings())
        self.bus: Any = buses.current()

    async def connect(self) -> None:
        self.stack = AsyncExitStack()
        joined = self.bus.connect(self.node, None)
        self.transport = await self.stack.enter_async_context(joined)

    def say(self, count: int, interval: float) -> list[float]:
        return self.runner.run(self._say(count, interval))

    async def _say(self, count: int, interval: float) -> list[float]:
        """Send in a loop that goes on, as an agent's does."""
        calls, due = [], time.monotonic()
        for _ in range(count):
            due += interval
            await asyncio.sleep(max(due - time.monotonic(), 0))
            text = stamped()
            began = monotonic_ns()
            await self.asend(text)
            calls.append((monotonic_ns() - began) / 1000)
        return calls

    async def asend(self, text: str) -> None:
        from nothing_shared.bus.message import Kind, Message
        from nothing_shared.bus.outbox import Parcel

        message = Message(self.node.table.id, 1, 1, Kind.STORED, TOPIC, text)
        await self.transport.send([Parcel(TOPIC, self.bus.seal(message))])

    async def alisten(self, is_ready: Callable[[], None], heard: Heard, count: int) -> None:
        from nothing_shared.bus.message import unseal

        is_ready()
        while count > 0:
            for packet, _ in await self.transport.receive():
                heard(time_of(unseal(packet, self.bus.signer).payload))
                count -= 1
