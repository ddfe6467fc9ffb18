"""The bus: every node hears what happened on the others, or hears that it missed something."""

from __future__ import annotations

from nothing_shared.bus.errors import BusError, BusFull, BusUnavailable, MessageTooLarge
from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.message import Message
from nothing_shared.bus.publishing import apublish, publish
from nothing_shared.bus.topics import subscribe, unsubscribe

__all__ = [
    "BusError",
    "BusFull",
    "BusUnavailable",
    "Gap",
    "Message",
    "MessageTooLarge",
    "apublish",
    "publish",
    "subscribe",
    "unsubscribe",
]
