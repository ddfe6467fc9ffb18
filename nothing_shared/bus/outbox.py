"""What a node has yet to hand to a broker: a ring that its processes write and its agent reads."""

from __future__ import annotations

from typing import NamedTuple

from nothing_shared.bus import kick
from nothing_shared.bus.berth import Berth, Seal
from nothing_shared.bus.errors import BusFull
from nothing_shared.bus.ring import Lapped
from nothing_shared.node import layout
from nothing_shared.node.directory import ensure
from nothing_shared.node.process import Node

__all__ = ["MOST_AT_ONCE", "Outbox", "Parcel"]

MOST_AT_ONCE = 64


class Parcel(NamedTuple):
    """A sealed message, and the topic by which a broker may sort it."""

    topic: str
    packet: bytes


class Outbox(Berth):
    """A ring of one node alone: its processes number, seal and write, and never wait for a network.

    Once the agent has sent a parcel the change table says so: an agent that is killed in between
    leaves its heir to send it again, under the same number.
    """

    def __init__(self, node: Node, seal: Seal, *, ring_bytes: int) -> None:
        super().__init__(ensure(node.directory / "outbox"), node, seal, ring_bytes=ring_bytes)
        self._words = node.table.words

    def packed(self, topic: str, packet: bytes) -> bytes:
        name = topic.encode()
        return len(name).to_bytes(2, "big") + name + packet

    @property
    def sent(self) -> int:
        """The place on the ring up to which all has been sent."""
        if self._words[layout.OUTBOX] == self.ring.id:
            return self._words[layout.SENT]
        return self.ring.first

    def note_sent(self, place: int) -> None:
        self._words[layout.OUTBOX] = 0
        self._words[layout.SENT] = place
        self._words[layout.OUTBOX] = self.ring.id

    def refuse_to_lap(self) -> None:
        """Raise BusFull if the agent has too much to send already."""
        if self.ring.room(self.sent) < self.ring.size // 4:
            raise BusFull(
                f"node {self._node.name} can't send to the broker as fast as it is told to"
            )

    def waiting(self, most: int = MOST_AT_ONCE) -> tuple[list[Parcel], int]:
        """Return the next parcels, and the place after them.

        What was overwritten before it was sent is a number that nobody ever hears, and so a gap to all.
        """
        place, parcels = self.sent, list[Parcel]()
        while len(parcels) < most:
            try:
                found = self.ring.read(place)
            except Lapped:
                place = self.ring.head
                continue
            if found is None:
                break
            packed, place = found
            end = 2 + int.from_bytes(packed[:2], "big")
            parcels.append(Parcel(packed[2:end].decode(), packed[end:]))
        return parcels, place

    def wake(self) -> None:
        """Have the agent look."""
        kick.kick([self.agents_ear])

    @property
    def agents_ear(self) -> str:
        return self.ear(self._node.table.id, self._words[layout.AGENT_TERM])
