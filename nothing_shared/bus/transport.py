"""What a broker has to be able to do for an agent, for as long as one connection to it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from nothing_shared.bus.outbox import MOST_AT_ONCE, Parcel

__all__ = ["Handle", "Place", "Transport"]

Handle = Callable[[bytes], Awaitable[bool]]
"""Acts on a packet and says whether that succeeded."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a node has read: a position in a history, both 64-bit numbers that are not 0."""

    history: int
    cursor: int


class Transport(ABC):
    """One connection. Any method raises OSError or TimeoutError once that is lost.

    ``resumes`` says whether what is received goes on right after the place that was asked for;
    else it begins now, and ``start`` is where. A broker without a history has neither.
    """

    resumes = False
    start: Place | None = None
    most_at_once: ClassVar[int] = MOST_AT_ONCE
    """Parcels that :meth:`send` is given: so few that a slow broker has them within a second."""

    @abstractmethod
    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Hand parcels over in this order; return once the broker has them.

        Cancelled or failed in between, it is called again with the same ones.
        """

    @abstractmethod
    async def receive(self) -> list[tuple[bytes, int]]:
        """Wait for packets; return them with the cursor after each (0 where there is no history)."""

    async def poke(self) -> None:  # noqa: B027 (most have nothing that is sent past the agent)
        """Have all nodes look: a process of this node may have stored something by itself."""

    async def work(self, topic: str, group: str, handle: Handle) -> None:
        """Give each of a topic's messages to one member of the group, again until it succeeded.

        Runs until cancelled. Only where the bus ``has_groups``.
        """
        raise NotImplementedError
