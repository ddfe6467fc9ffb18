"""Who listens to what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.message import Message

__all__ = [
    "EVERY",
    "RESERVED",
    "Handler",
    "Subscription",
    "refuse_unfit",
    "subscribe",
    "subscriptions",
    "unsubscribe",
]

Handler = Callable[[Message], Awaitable[None] | None]
GapHandler = Callable[[Gap], Awaitable[None] | None]

RESERVED = "nothing_shared."
"""What the topics of this package begin with; a site's own may not."""

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Subscription:
    topic: str
    handler: Handler
    on_gap: GapHandler | None = None
    is_durable: bool = False
    group: str = ""


_subscriptions: list[Subscription] = []


def refuse_unfit(name: str) -> None:
    """Raise ValueError for what can't be a topic of a site's."""
    if name.startswith(RESERVED):
        raise ValueError(f"{name!r}: names that begin with {RESERVED!r} are not for sites")
    if "\0" in name:
        raise ValueError(f"{name!r}: no broker takes a NUL in a name")


def subscribe(
    topic: str, *, on_gap: GapHandler | None = None, durable: bool = False, group: str = ""
) -> Callable[[Handler], Handler]:
    """Have a function called with each message of a topic, once per node, in the node's agent.

    The function may be sync or async, gets a :class:`~nothing_shared.bus.Message`, and may not run
    at all (a killed agent) or run twice (its heir): see the backend's guarantee. ``on_gap`` is
    called when messages of any topic may have been missed. ``"*"`` is every topic of the site.

    With ``durable`` a message waits in the broker until a handler has returned without an error: it
    is called again and again until then, and again for what came while its node was away, so it
    looks at ``message.id`` where acting twice would hurt. With ``group``, which implies that, one
    node of all that name the group gets each message. ``manage.py check`` refuses both where the
    backend can't do it. Raises ValueError for a topic that can't be one.
    """
    refuse_unfit(topic)
    refuse_unfit(group)
    is_durable = durable or bool(group)
    if is_durable and topic == EVERY:
        raise ValueError("every topic at once can't be durable: name the topics")

    def register(handler: Handler) -> Handler:
        _subscriptions.append(Subscription(topic, handler, on_gap, is_durable, group))
        return handler

    return register


def unsubscribe(handler: Handler) -> None:
    """Stop calling a function."""
    _subscriptions[:] = [known for known in _subscriptions if known.handler is not handler]


def subscriptions(topic: str | None = None) -> Iterator[Subscription]:
    """Yield the subscriptions of a topic, or all."""
    for known in tuple(_subscriptions):
        if topic is None or known.topic in (topic, EVERY):
            yield known
