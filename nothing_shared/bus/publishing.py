"""Say something to every node."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from nothing_shared.bus import process
from nothing_shared.bus.errors import BusFull
from nothing_shared.bus.topics import refuse_unfit
from nothing_shared.node import process as node_process

__all__ = ["MAX_WAITING", "apublish", "publish"]

MAX_WAITING = 1000
"""Messages that may wait for the commit of one transaction."""


def publish(
    topic: str, payload: Any = None, *, on_commit: bool = True, using: str | None = None
) -> None:
    """Send a JSON payload to every subscriber of the topic, on every node, this one included.

    In a transaction of the database ``using`` (by default, ``"default"``) it is sent when that
    commits, and not at all if it rolls back.

    Raises BusFull when readers are too far behind or too much waits for the commit; MessageTooLarge;
    BusUnavailable; TypeError if the payload is not JSON; ValueError for a topic that can't be one.
    What goes wrong only after a commit is logged. On a bus that is transactional, in its own database,
    nothing waits: the message is stored with the transaction, and exists if and only if that commits.
    """
    refuse_unfit(topic)
    connection = connections[using or DEFAULT_DB_ALIAS]
    if not on_commit or not connection.in_atomic_block:
        _send(topic, payload)
        return
    bus = process.current()
    if bus.is_transactional and bus.store(node_process.current(), connection, topic, payload):
        return
    waiting = [hook for _, hook, *_ in connection.run_on_commit if isinstance(hook, _Waiting)]
    if len(waiting) >= MAX_WAITING:
        raise BusFull(f"{MAX_WAITING} messages wait for this transaction's commit already")
    bus.check(topic, payload)
    transaction.on_commit(_Waiting(topic, payload), using=using, robust=True)


class _Waiting:
    """A message, as it is now, that waits for a commit."""

    def __init__(self, topic: str, payload: Any) -> None:
        self._topic = topic
        self._payload = json.dumps(payload)
        self.__qualname__ = f"publish({topic!r})"  # what Django's log calls a hook that failed

    def __call__(self) -> None:
        _send(self._topic, json.loads(self._payload))


def _send(topic: str, payload: Any) -> None:
    process.current().send(node_process.current(), topic, payload)


async def apublish(
    topic: str, payload: Any = None, *, on_commit: bool = True, using: str | None = None
) -> None:
    """Do as :func:`publish` does, in the thread that holds the context's transactions."""
    await sync_to_async(publish)(topic, payload, on_commit=on_commit, using=using)
