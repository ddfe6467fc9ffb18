"""This process's bus, and its place in the node's agent."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from dataclasses import replace
from typing import Any

from django.utils.module_loading import import_string

from nothing_shared.bus import changes
from nothing_shared.bus.backends.base import BaseBus
from nothing_shared.bus.conf import SETTING, BusSettings, bus_settings
from nothing_shared.bus.receiver import Receiver
from nothing_shared.conf import InvalidSetting
from nothing_shared.node import agent, hooks
from nothing_shared.node.change import Change
from nothing_shared.node.process import Node

__all__ = ["current", "install"]

logger = logging.getLogger("nothing_shared.bus")

EXTRAS = {"channels": "channels", "nats": "nats", "psycopg": "postgres", "redis": "redis"}
"""Modules of the brokers' clients, and what they are called where this package is installed."""

_buses: dict[BusSettings, BaseBus] = {}
_last: tuple[BusSettings, BaseBus] | None = None
"""The settings that were read last, and their bus."""
_making = threading.Lock()


def current() -> BaseBus:
    """Return this process's bus, as the settings name it now."""
    global _last
    settings = bus_settings()
    last = _last
    if last is not None and last[0] is settings:
        return last[1]
    name = _hashable(settings)
    with _making:
        bus = _buses.get(name) or _make(settings)
        _buses[name] = bus
        _last = settings, bus
    return bus


def _hashable(settings: BusSettings) -> BusSettings:
    options: Any = repr(sorted(settings.options.items()))
    return replace(settings, options=options)


def _make(settings: BusSettings) -> BaseBus:
    try:
        backend = import_string(settings.backend)
    except ImportError as failure:
        extra = EXTRAS.get((failure.name or "").partition(".")[0])
        cure = (
            f"pip install 'nothing-shared[{extra}]'"
            if extra
            else (f'allowed: the dotted path of a bus, such as "{BusSettings().backend}"')
        )
        raise InvalidSetting(
            f'{SETTING}["BACKEND"] = {settings.backend!r} can\'t be imported ({failure}); {cure}.'
        ) from failure
    bus: BaseBus = backend(settings)
    return bus


def install() -> None:
    """Let changes travel: called by every app that rests on the bus."""
    hooks.on_open(_join)
    hooks.on_stranger(_introduce)
    hooks.on_announce(_announce)
    hooks.on_close(_leave)
    agent.duties.setdefault("bus", _listen)


def _join(node: Node) -> None:
    current().join(node)


def _introduce(node: Node) -> None:
    current().introduce(node)


def _announce(node: Node, change: Change) -> None:
    current().send(node, changes.TOPIC, changes.payload_of(change), may_lap=True)


def _leave(node: Node) -> None:
    for bus in list(_buses.values()):  # the settings may name another one since the node joined
        try:
            bus.leave(node)
        except Exception:
            logger.exception("node %s leaves a bus without a goodbye", node.name)


async def _listen(node: Node) -> None:
    bus, settings = current(), bus_settings()
    receiver = Receiver(
        node, bus.signer, max_pending=settings.max_pending, is_one_machine=bus.is_one_machine
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(receiver.delivery.run())
        group.create_task(bus.listen(node, receiver))


def _forget_in_child() -> None:
    global _last, _making
    _making = threading.Lock()
    _last = None
    _buses.clear()


os.register_at_fork(after_in_child=_forget_in_child)
