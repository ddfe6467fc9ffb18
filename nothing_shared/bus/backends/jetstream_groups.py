"""Groups on JetStream: a consumer each, of which every member asks for one message after the other."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js.api import DEFAULT_PREFIX, Header

from nothing_shared.bus.backends.nats_connection import Connection
from nothing_shared.bus.transport import Handle

__all__ = ["ABANDONED", "Member", "Verdicts", "is_of_stream", "status_of"]

RETRY_AFTER = 1.0
"""Seconds until a handler that failed is called again."""
ABANDONED = 60.0
"""Seconds after which a message that a node of a group has not finished is another node's."""
PULLING = 5.0
"""Seconds for which the server knows that a node asks for work: it may give some to one just gone."""
LEAVING = 0.5

ACK, NAK = b"+ACK", b"-NAK"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The last word on a message of a group, which the server may not have heard."""

    reply: str
    word: bytes
    at: float


Verdicts = dict[tuple[int, str], Verdict]
"""By history and consumer; they outlive connections."""


class Member:
    """This node in one group, for the time of one connection."""

    def __init__(
        self, connection: Connection, consumer: tuple[int, str], verdicts: Verdicts
    ) -> None:
        self._client = connection.client
        self._consumer = consumer
        self._verdicts = verdicts

    async def work(self, handle: Handle) -> None:
        pull = await Pull.begin(self._client, self._consumer[1])
        try:
            await self._repeat_verdict()
            while True:
                await self._finish(await pull.next(), handle)
        finally:
            await pull.leave()

    async def _repeat_verdict(self) -> None:
        """Say again what the connection may have taken along that was there before."""
        last = self._verdicts.get(self._consumer)
        if last is None:
            return
        is_still_its_own = asyncio.get_running_loop().time() < last.at + ABANDONED / 2
        if last.word == ACK or is_still_its_own:
            await self._client.publish(last.reply, last.word)

    async def _finish(self, message: Msg, handle: Handle) -> None:
        """Have a message handled until that succeeds; give it back if this node can't go on."""
        holding = asyncio.create_task(self._hold(message))
        word = NAK
        try:
            while not await handle(message.data):
                await asyncio.sleep(RETRY_AFTER)
            word = ACK
        finally:
            holding.cancel()
            self._note(message, word)
            with suppress(Error):  # a lost connection is noticed by all others
                await self._client.publish(message.reply, word)

    async def _hold(self, message: Msg) -> None:
        """Keep a message this node's while it is being handled."""
        with suppress(Error):
            while True:
                self._note(message, NAK)
                await asyncio.sleep(ABANDONED / 3)
                await message.in_progress()

    def _note(self, message: Msg, word: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self._verdicts[self._consumer] = Verdict(message.reply, word, now)


class Pull:
    """Asks for a group's messages, one at a time."""

    def __init__(self, client: Client, consumer: str) -> None:
        self._client = client
        self._subject = f"{DEFAULT_PREFIX}.CONSUMER.MSG.NEXT.{consumer}"
        self._inbox = client.new_inbox()
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._subscription: Subscription | None = None

    @classmethod
    async def begin(cls, client: Client, consumer: str) -> Pull:
        pull = cls(client, consumer)
        pull._subscription = await pull._client.subscribe(pull._inbox, cb=pull._arrived.put)
        return pull

    async def next(self) -> Msg:
        request = json.dumps({"batch": 1, "expires": int(PULLING * 1e9)}).encode()
        while True:
            if self._arrived.empty():
                await self._client.publish(self._subject, request, reply=self._inbox)
            with suppress(TimeoutError):
                async with asyncio.timeout(PULLING + 1):
                    message = await self._arrived.get()
                if is_of_stream(message):
                    return message
                if status_of(message) == "503":
                    raise ConnectionError("the group is gone")

    async def leave(self) -> None:
        """Ask no more, and give back what has come since."""
        assert self._subscription is not None
        with suppress(Error, OSError):
            async with asyncio.timeout(LEAVING):
                await self._subscription.unsubscribe()
                await self._client.flush()
            while not self._arrived.empty():
                message = self._arrived.get_nowait()
                if is_of_stream(message):
                    await self._client.publish(message.reply, NAK)


def is_of_stream(message: Msg) -> bool:
    return message.reply.startswith("$JS.ACK.")


def status_of(message: Msg) -> str:
    return (message.headers or {}).get(Header.STATUS.value, "")
