"""A network that fails when it is told to, between clients and a server on the loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from threading import Thread
from typing import Any

from tests.servers.running import free_port

__all__ = ["Proxy", "proxied"]

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds

UnderWay = asyncio.Queue[tuple[float, bytes | OSError]]


class Proxy:
    """A port that leads to another port, over a line that can be cut, frozen and slowed.

    It leads to several in turn, one connection after the other, as a load balancer does. Where the
    server is down a client is not refused: it connects and is reset. A process forked while the
    proxy runs keeps its sockets open, so that ``cut`` and ``refuse`` do less than said.
    """

    def __init__(self, *upstreams: int) -> None:
        self.port = free_port()
        self._turns = cycle(upstreams)
        self._line = Line()
        self._links: dict[asyncio.Task[None], Link] = {}
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def start(self) -> None:
        self._thread.start()
        self.thaw()
        self.accept()

    def stop(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=60)
        self._loop.close()

    def lead_to(self, *upstreams: int) -> None:
        """Lead new connections to other ports; those there are stay where they are."""
        self._turns = cycle(upstreams)

    def cut(self) -> None:
        """Reset all connections there are; new ones are made."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Let nobody connect; the connections there are stay."""
        self._run(self._refuse())

    def accept(self) -> None:
        """Let clients connect again."""
        self._run(self._accept())

    def freeze(self) -> None:
        """Let no byte pass, nor the end of a connection: each side waits for the other."""
        self._run(self._set(flowing=False))

    def thaw(self) -> None:
        """Let pass what was held back, and all that follows."""
        self._run(self._set(flowing=True))

    def delay(self, seconds: float) -> None:
        """Let what is sent from now on arrive that much later, each way."""
        self._line.delay = seconds

    def _run(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(timeout=60)

    async def _cut(self) -> None:
        links = dict(self._links)
        for task, link in links.items():
            link.reset()
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        await asyncio.sleep(0)  # the sockets are closed by then

    async def _refuse(self) -> None:
        if self._listener is not None:
            # Python 3.11 leaks a connection that was accepted and whose listener is closed before its turn.
            for listening in self._listener.sockets:
                self._loop.remove_reader(listening.fileno())
            await asyncio.sleep(0)
            self._listener.close()
            self._listener = None

    async def _end(self) -> None:
        """Refuse and cut, those too that were on their way in."""
        await self._refuse()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._cut()
            await asyncio.wait(others, timeout=0.1)
        await asyncio.sleep(0)  # the sockets are closed by then

    async def _accept(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def _set(self, *, flowing: bool) -> None:
        (self._line.flowing.set if flowing else self._line.flowing.clear)()

    def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self._line, [writer])
        task = self._loop.create_task(link.carry(reader, writer, next(self._turns)))
        self._links[task] = link
        task.add_done_callback(self._links.pop)


@contextmanager
def proxied(*ports: int) -> Iterator[Proxy]:
    """Run a proxy in front of a port, or of several in turn, for the time of the block."""
    proxy = Proxy(*ports)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


@dataclass(eq=False)
class Line:
    """How all connections fare at the moment."""

    delay: float = 0.0
    flowing: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Link:
    """A client's connection, and the one to the server that was made for it."""

    line: Line
    ends: list[asyncio.StreamWriter]

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: int
    ) -> None:
        try:
            await self.line.flowing.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream)
            self.ends.append(far_writer)
            async with asyncio.TaskGroup() as tasks:
                for source, target in ((reader, far_writer), (far_reader, writer)):
                    under_way: UnderWay = asyncio.Queue(maxsize=64)
                    tasks.create_task(self.receive(source, under_way))
                    tasks.create_task(self.send(under_way, target))
        except* OSError:
            self.reset()
        finally:
            for end in self.ends:
                end.close()

    async def receive(self, source: asyncio.StreamReader, under_way: UnderWay) -> None:
        """Take what comes, and when it is due, up to the end or the error that ends it."""
        received: bytes | OSError = b"?"
        while received and not isinstance(received, OSError):
            try:
                received = await source.read(65536)
            except OSError as error:
                received = error
            await under_way.put((self.now() + self.line.delay, received))

    async def send(self, under_way: UnderWay, target: asyncio.StreamWriter) -> None:
        while True:
            due, received = await under_way.get()
            await asyncio.sleep(due - self.now())
            await self.line.flowing.wait()
            if isinstance(received, OSError):
                raise received
            if not received:
                return target.write_eof()
            target.write(received)
            await target.drain()

    def reset(self) -> None:
        """Break the connection off, so that both sides hear of a reset, not of an end."""
        for end in self.ends:
            with suppress(OSError):
                connection = end.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            end.transport.abort()

    def now(self) -> float:
        return asyncio.get_running_loop().time()
