"""PostgreSQL as a bus: an outbox in the site's own database."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.bus.backends.network import NetworkBus, NetworkOptions
from nothing_shared.bus.backends.outbox import OutboxTransport
from nothing_shared.bus.backends.progress import Progress
from nothing_shared.bus.backends.rows import INSERT_ONE, Rows
from nothing_shared.bus.backends.trimming import Trimmer
from nothing_shared.bus.backends.wire import Wire, connected
from nothing_shared.bus.conf import SETTING, BusSettings
from nothing_shared.bus.message import Kind, Message, unseal
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.conf import InvalidSetting, option
from nothing_shared.node.process import Node

__all__ = ["PostgresBus", "PostgresBusOptions"]

logger = logging.getLogger("nothing_shared.bus")

PROBING = 2.0
"""Seconds in which a notification must come back."""


@dataclass(frozen=True)
class PostgresBusOptions(NetworkOptions):
    retention: float = option(
        3600.0,
        "Seconds for which messages are kept: a node that was away for longer starts over.",
        minimum=1.0,
    )
    group_retention: float = option(
        7 * 24 * 3600.0,
        "Seconds for which messages are kept at most that a group has yet to work on.",
        minimum=1.0,
    )
    host: str | None = option(
        None,
        "Where agents reach the server itself, if the site goes through a pool of connections.",
    )
    port: int | None = option(None, "The server's own port, likewise.", minimum=1, maximum=65535)


class PostgresBus(NetworkBus):
    """Delivers at least once, in each sender's order, and replays what was not yet trimmed.

    What is published in a transaction of the bus's database is stored with it: it exists if and only
    if that commits, even if the process dies at that moment, and savepoints count. It is delivered
    in an order in which a transaction comes after those that had committed when it began. Twice it
    comes only to a node whose agent was replaced, and then only what was stored since the oldest
    transaction that was running at that time had begun.

    A transaction that runs for long, anywhere on the server, delays nobody's messages but its own.
    A server that was promoted, or restored, is a gap. PostgreSQL 13 or newer, and psycopg 3. An agent
    holds two connections, the roster one, and each durable subscription another; none may go through
    a pool that gives a connection to each transaction.
    """

    delivers = "at least once"
    replays = True
    has_groups = True
    is_transactional = True
    options_type = PostgresBusOptions

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._alias = settings.database
        if self._alias not in connections.settings or not self._is_postgresql():
            raise InvalidSetting(
                f'{SETTING}["DATABASE"] = {self._alias!r} is not a PostgreSQL database, and PostgresBus '
                "keeps its messages in one; allowed: an alias of DATABASES whose ENGINE is "
                '"django.db.backends.postgresql".'
            )
        self._rows = Rows(settings.namespace)
        digest = hashlib.blake2b(settings.namespace.encode(), digest_size=8).hexdigest()
        self._channel = f"nothing_shared_{digest}"
        self._reached: dict[tuple[int, int], Progress] = {}
        """Of each node and history, more exactly than the change table says it."""
        self._is_refused = False

    def _is_postgresql(self) -> bool:
        return connections.create_connection(self._alias).vendor == "postgresql"

    # What a transaction stores

    def store(self, node: Node, connection: BaseDatabaseWrapper, topic: str, payload: Any) -> bool:
        if connection.alias != self._alias:
            return False
        number = secrets.randbits(62) + 1
        message = Message(node.table.id, number, node.table.clock(), Kind.STORED, topic, payload)
        packet = self.seal(message)
        connection.validate_no_broken_transaction()
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        with connection.wrap_database_errors:
            # Past Django's cursors: this is no write of the site's.
            psycopg.Cursor(connection.connection).execute(
                INSERT_ONE, (self.settings.namespace, topic, packet)
            )
        connection.on_commit(_Stored(self, node, connection, topic, packet), robust=True)
        return True

    def stored(self, node: Node, connection: BaseDatabaseWrapper, packet: bytes) -> None:
        """Have all nodes look, once a packet is committed."""
        if not connection.in_atomic_block:
            self.berth(node).wake()
            return
        # A test captured the hook, in a transaction that will never commit.
        message = unseal(packet, self.signer)
        self.send(node, message.topic, message.payload)

    # What the agent does

    def connect(self, node: Node, place: Place | None) -> AbstractAsyncContextManager[Transport]:
        return self._connect(node, place)

    @asynccontextmanager
    async def _connect(self, node: Node, place: Place | None) -> AsyncIterator[Transport]:
        async with self.wire() as listener, self.wire() as sender:
            await listener.run(f'LISTEN "{self._channel}"')
            await self._probe(listener, sender)
            trimming = asyncio.create_task(self._trim())
            try:
                yield await self._open(node, place, listener, sender)
            finally:
                trimming.cancel()
                with suppress(asyncio.CancelledError):
                    await trimming

    def wire(self) -> AbstractAsyncContextManager[Wire]:
        return connected(self._alias, host=self.options.host, port=self.options.port)

    async def _probe(self, listener: Wire, sender: Wire) -> None:
        """Raise OSError where one connection can't hear the other: a pool is in between."""
        probe = f"nothing_shared_{secrets.token_hex(8)}"
        await listener.run(f'LISTEN "{probe}"')
        await sender.run(f'NOTIFY "{probe}"')
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBING):
                while probe not in await listener.hear(PROBING):
                    pass
                await listener.run(f'UNLISTEN "{probe}"')
                return
        text = (
            f"database {self._alias!r} takes LISTEN and delivers no notification: it is reached "
            "through a pool that gives a connection to each transaction, such as PgBouncer. Name "
            f'the server itself in {SETTING}["OPTIONS"]: "HOST" and "PORT".'
        )
        if not self._is_refused:
            self._is_refused = True
            logger.error("%s", text)
        raise OSError(text)

    async def _open(
        self, node: Node, place: Place | None, listener: Wire, sender: Wire
    ) -> OutboxTransport:
        head = await self._rows.head(listener)
        name = (node.table.id, head.history)
        resumes = (
            place is not None
            and place.history == head.history
            and head.trimmed <= place.cursor <= head.snapshot.xmax
        )
        progress = Progress(head.snapshot)
        if place is not None and resumes:
            progress = self._reached.get(name, progress)
            if progress.cursor != place.cursor:
                progress = Progress.at(place.cursor)
        transport = OutboxTransport(
            self._rows, listener, sender, progress,
            channel=self._channel, wire=self.wire,
            note=lambda reached: self._reached.__setitem__(name, reached),
        )  # fmt: skip
        transport.resumes = resumes
        transport.start = Place(head.history, progress.cursor)
        return transport

    async def _trim(self) -> None:
        trimmer = Trimmer(
            self.settings.namespace, self.options.retention, self.options.group_retention
        )
        while True:
            try:
                async with self.wire() as wire:
                    await trimmer.run(wire)
            except OSError as failure:
                logger.warning("old messages can't be removed from the outbox: %s", failure)
            await asyncio.sleep(self.options.retention / 8)


class _Stored:
    """What is done once a message that its transaction stored is committed."""

    def __init__(
        self, bus: PostgresBus, node: Node, connection: BaseDatabaseWrapper, topic: str, packet: bytes
    ) -> None:  # fmt: skip
        self._bus = bus
        self._node = node
        self._connection = connection
        self._packet = packet
        self.__qualname__ = f"publish({topic!r})"  # what Django's log calls a hook that failed

    def __call__(self) -> None:
        self._bus.stored(self._node, self._connection, self._packet)
