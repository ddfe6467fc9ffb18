"""What a worker of a node can be told to do: all of it through the public names."""

from __future__ import annotations

from typing import Any

from django.db import connections

from nothing_shared.bus import Gap, Message, publish, subscribe
from nothing_shared.bus.signals import gap_detected, message_dropped
from nothing_shared.node import process

heard: list[Message] = []
gaps: list[Gap] = []
signalled: list[Gap] = []
dropped: list[str] = []


def know_database(alias: str, settings: dict[str, Any]) -> None:
    """Reach a database from here on under this alias."""
    connections.settings[alias] = {**connections.settings["default"], **settings}
    if alias in {connection.alias for connection in connections.all(initialized_only=True)}:
        del connections[alias]


def join(*topics: str) -> int:
    """Be a part of the node, listen to topics, and return the change table's id."""
    for topic in topics:
        subscribe(topic, on_gap=gaps.append)(heard.append)
    gap_detected.connect(_note_gap)
    message_dropped.connect(_note_drop)
    return process.current().table.id


def _note_gap(*, gap: Gap, **_: Any) -> None:
    signalled.append(gap)


def _note_drop(*, reason: str, **_: Any) -> None:
    dropped.append(reason)


def what_was_heard() -> list[tuple[str, Any]]:
    return [(message.topic, message.payload) for message in heard]


def senders_heard() -> list[tuple[int, int, Any]]:
    return [(message.origin, message.sequence, message.payload) for message in heard]


def gaps_told() -> list[Gap]:
    return list(gaps)


def gaps_signalled() -> list[Gap]:
    return list(signalled)


def drops() -> list[str]:
    return list(dropped)


def say(topic: str, *payloads: Any) -> None:
    for payload in payloads:
        publish(topic, payload)
