"""Any layer of Django Channels as a bus: Redis, RabbitMQ, and whatever else has one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from channels.layers import InMemoryChannelLayer, channel_layers
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from nothing_shared.bus.backends.layers import GroupTransport, a_layer
from nothing_shared.bus.backends.network import NetworkBus
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.transport import Place, Transport
from nothing_shared.node.process import Node

__all__ = ["ChannelsBus"]

ALIAS = "default"
LONGEST_NAME = 60
"""Of a group: a layer takes less than 100 characters, and may put something before them."""


class ChannelsBus(NetworkBus):
    """Delivers at most once and without replay; mostly, but not surely, in each sender's order.

    A layer drops what finds a channel full and says so to nobody, and so it does with what was sent
    while its connection was away: either shows in the numbers, and is a gap. ``LOCATION`` is an alias
    in ``CHANNEL_LAYERS``.
    """

    delivers = "at most once"
    replays = False
    is_transactional = False

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._alias = str(settings.location or ALIAS)
        self._layer_type = layer_type(self._alias)
        self._group = group_of(settings.namespace)
        self.is_one_process = issubclass(self._layer_type, InMemoryChannelLayer)  # type: ignore[misc]

    def connect(self, node: Node, place: Place | None) -> AbstractAsyncContextManager[Transport]:
        return self._connect()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Transport]:
        # Not the one that `get_channel_layer()` keeps: a layer belongs to one loop of one process.
        async with (
            a_layer(lambda: channel_layers.make_backend(self._alias)) as layer,
            GroupTransport.joined(layer, self._group) as transport,
        ):
            yield transport


def layer_type(alias: str) -> type[Any]:
    """Return the class that ``CHANNEL_LAYERS`` names, without making a layer: some need a loop."""
    configured = channel_layers.configs
    if alias not in configured:
        raise ImproperlyConfigured(
            f'NOTHING_SHARED_BUS["LOCATION"] = {alias!r} is no alias in CHANNEL_LAYERS; '
            f"allowed: {', '.join(map(repr, configured)) or 'none, for that setting is empty'}."
        )
    path = configured[alias].get("BACKEND", "")
    try:
        named: type[Any] = import_string(path)
    except ImportError as failure:
        raise ImproperlyConfigured(
            f'CHANNEL_LAYERS[{alias!r}]["BACKEND"] = {path!r} can\'t be imported ({failure}); '
            "allowed: the dotted path of a channel layer."
        ) from failure
    return named


def group_of(namespace: str) -> str:
    """Return a name that every layer takes, and another one for each namespace."""
    is_plain = namespace.isascii() and namespace.replace("-", "").replace("_", "").isalnum()
    if not is_plain or len(namespace) > LONGEST_NAME:
        namespace = "." + hashlib.sha256(namespace.encode()).hexdigest()[:32]
    return f"nothing_shared.{namespace}"
