"""A JetStream stream: its numbers count without a hole, so that what was trimmed shows in them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.api import (
    DEFAULT_PREFIX,
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    Header,
    PubAck,
    RetentionPolicy,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from nothing_shared.bus import changes
from nothing_shared.bus.backends.jetstream_groups import (
    ABANDONED,
    Member,
    Verdicts,
    is_of_stream,
    status_of,
)
from nothing_shared.bus.backends.nats_connection import (
    Connection,
    failures_of_nats,
    token,
)
from nothing_shared.bus.outbox import Parcel
from nothing_shared.bus.transport import Handle, Place, Transport
from nothing_shared.clock import SECOND

__all__ = ["JetStreamTransport", "Stream"]

ANSWERING = 2.0
IDLE = 5.0
"""Seconds after which an idle consumer says so: flow control needs that."""

MUST_BE = {
    "retention": "limits",
    "discard": "old",
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "no_ack": False,
    "sealed": False,
}
"""What a stream that someone else has made must not have otherwise."""


class Stream:
    """One site's stream."""

    def __init__(self, connection: Connection, namespace: str, max_messages: int) -> None:
        self.connection = connection
        self.name = f"nothing_shared_{namespace}"
        self._prefix = f"nothing_shared.{namespace}"
        self._max = max_messages
        self._api: JetStreamContext = connection.client.jetstream(timeout=ANSWERING)

    async def head(self) -> Place:
        """Return the place after the last message; make the stream if there is none."""
        try:
            info = await self._info()
        except NotFoundError:
            await self._api.add_stream(self._config())
            info = await self._info()
        self._refuse_other(info["config"])
        return Place(nanoseconds(info["created"]), info["state"]["last_seq"])

    async def _info(self) -> dict[str, Any]:
        """Ask as ``stream_info`` does, which only in new releases says when the stream was made."""
        subject = f"{DEFAULT_PREFIX}.STREAM.INFO.{self.name}"
        try:
            answer = await self.connection.client.request(subject, timeout=ANSWERING)
        except NoRespondersError as failure:
            raise OSError("the NATS server has no JetStream, or not yet") from failure
        info: dict[str, Any] = json.loads(answer.data)
        if "error" in info:
            raise APIError.from_error(info["error"])
        return info

    def _config(self) -> StreamConfig:
        return StreamConfig(
            name=self.name,
            description="Messages of a site's nodes to each other (nothing_shared.bus)",
            subjects=[f"{self._prefix}.>"],
            max_msgs=self._max,
            retention=RetentionPolicy.LIMITS,
        )

    def _refuse_other(self, config: dict[str, Any]) -> None:
        found = {name: config.get(name, wanted) for name, wanted in MUST_BE.items()}
        wrong = [f"{name} = {value}" for name, value in found.items() if value != MUST_BE[name]]
        if config["subjects"] != [f"{self._prefix}.>"]:
            wrong.append(f"subjects = {config['subjects']}")
        if wrong:
            raise OSError(
                f"the stream {self.name} was made otherwise, and would lose messages: "
                f"{', '.join(wrong)}; delete it, and it is made anew"
            )

    async def has_all_after(self, place: Place, head: Place) -> bool:
        """Say whether the next message after a place is there, if there is one.

        A hole that comes later ends the connection when it is read, with the cursor just before it.
        """
        if place.history != head.history or place.cursor > head.cursor:
            return False
        if place.cursor == head.cursor:
            return True
        try:
            await self._api.get_msg(self.name, place.cursor + 1)
        except NotFoundError:
            return False
        return True

    async def read_from(self, number: int) -> None:
        """Have all messages from this number on arrive at the connection."""
        inbox = self.connection.client.new_inbox()
        await self.connection.listen(inbox)
        await self._api.add_consumer(
            self.name,
            ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=number,
                ack_policy=AckPolicy.NONE,
                flow_control=True,
                idle_heartbeat=IDLE,
                mem_storage=True,
                num_replicas=1,
            ),
        )

    async def append(self, parcel: Parcel) -> asyncio.Future[PubAck]:
        """Publish a parcel; the result is when it was stored.

        Heartbeats repeat a number: it takes a hash to tell what was sent twice from what was said again.
        """
        identity = hashlib.blake2b(parcel.packet, digest_size=16).hexdigest()
        subject = self._subject(parcel.topic)
        headers = {Header.MSG_ID.value: identity}
        return await self._api.publish_async(subject, parcel.packet, headers=headers)

    def _subject(self, topic: str) -> str:
        if topic in ("", changes.TOPIC):
            return f"{self._prefix}.bus"
        return f"{self._prefix}.topic.{token(topic)}"

    async def join(self, topic: str, group: str) -> str:
        """Return the consumer of a group; the first member makes it: what is sent from then on waits."""
        name = f"{token(group)}+{token(topic)}"
        await self._api.add_consumer(
            self.name,
            ConsumerConfig(
                name=name,
                durable_name=name,
                filter_subject=self._subject(topic),
                deliver_policy=DeliverPolicy.NEW,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ABANDONED,
                max_ack_pending=1 if group.startswith("node.") else None,
            ),
        )
        return name


def nanoseconds(moment: str) -> int:
    """Return a time that Go has written, in UTC, as ns since the epoch."""
    seconds, _, fraction = moment.rstrip("Z").partition(".")
    began = datetime.fromisoformat(f"{seconds}+00:00")
    return int(began.timestamp()) * SECOND + int(fraction.ljust(9, "0"))


class JetStreamTransport(Transport):
    def __init__(self, stream: Stream, begin: Place, verdicts: Verdicts) -> None:
        self._stream = stream
        self._connection = stream.connection
        self._history = begin.history
        self._number = begin.cursor
        self._verdicts = verdicts
        self._failure: OSError | None = None

    @classmethod
    async def open(
        cls, stream: Stream, place: Place | None, verdicts: Verdicts
    ) -> JetStreamTransport:
        head = await stream.head()
        resumes = place is not None and await stream.has_all_after(place, head)
        begin = place if place is not None and resumes else head
        await stream.read_from(begin.cursor + 1)
        transport = cls(stream, begin, verdicts)
        transport.resumes, transport.start = resumes, begin
        return transport

    async def send(self, parcels: Sequence[Parcel]) -> None:
        with failures_of_nats():
            fit = [parcel for parcel in parcels if self._connection.takes(parcel.packet)]
            stored = [await self._stream.append(parcel) for parcel in fit]
            await asyncio.sleep(0)  # the client writes now, and not after what follows here
            await self._connection.answer(asyncio.gather(*stored))

    async def receive(self) -> list[tuple[bytes, int]]:
        if self._failure is not None:
            raise self._failure
        packets = list[tuple[bytes, int]]()
        try:
            with failures_of_nats():
                while not packets:
                    for message in await self._connection.arrived():
                        await self._take(message, packets)
        except OSError as failure:
            if not packets:
                raise
            self._failure = failure  # what came before it counts
        return packets

    async def _take(self, message: Msg, packets: list[tuple[bytes, int]]) -> None:
        if is_of_stream(message):
            packets.append((message.data, self._next(message)))
        else:
            await self._control(message)

    def _next(self, message: Msg) -> int:
        number = message.metadata.sequence.stream
        if number != self._number + 1:
            raise OSError(f"the stream goes on at {number}, and {self._number} was read")
        self._number = number
        return number

    async def _control(self, message: Msg) -> None:
        """Tell a server that holds messages back that what it sent before has been read."""
        if status_of(message) != "100":
            raise OSError(f"the stream is not read any more: {message.headers}")
        waits = message.reply or (message.headers or {}).get(Header.CONSUMER_STALLED.value)
        if waits:
            await self._connection.client.publish(waits)

    async def work(self, topic: str, group: str, handle: Handle) -> None:
        with failures_of_nats():
            consumer = await self._stream.join(topic, group)
            place = (self._history, f"{self._stream.name}.{consumer}")
            await Member(self._connection, place, self._verdicts).work(handle)
