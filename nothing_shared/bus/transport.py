"""What a broker has to be able to do for an agent, for as long as one connection to it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nothing_shared.bus.outbox import Parcel

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

    @abstractmethod
    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Hand parcels over in this order; return once the broker has them.

        Cancelled or failed in between, it is called again with the same ones.
        """

    @abstractmethod
    async def receive(self) -> list[tuple[bytes, int]]:
        """Wait for packets; return them with the cursor after each (0 where there is no history)."""

    async def work(self, topic: str, group: str, handle: Handle) -> None:
        """Give each of a topic's messages to one member of the group, again until it succeeded.

        Runs until cancelled. Only where the bus ``has_groups``.
        """
        raise NotImplementedError
