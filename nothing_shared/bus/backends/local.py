"""The embedded bus: a ring in memory that the nodes of one machine share. No server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nothing_shared.bus import changes, kick
from nothing_shared.bus.backends.moored import MooredBus
from nothing_shared.bus.berth import Berth
from nothing_shared.bus.conf import BusSettings
from nothing_shared.bus.errors import BusUnavailable
from nothing_shared.bus.receiver import Receiver
from nothing_shared.bus.watch import Watch
from nothing_shared.clock import NEVER
from nothing_shared.conf import option, parse
from nothing_shared.node import layout
from nothing_shared.node.directory import ensure, project_directory
from nothing_shared.node.process import Node

__all__ = ["LocalBus", "LocalBusOptions"]


@dataclass(frozen=True)
class LocalBusOptions:
    ring_bytes: int = option(2**20, "Size of the ring when it is made.", minimum=2**16)


class LocalBus(MooredBus[Berth]):
    """Delivers at most once, in one order for all nodes, to the nodes of one machine.

    A reader that writers have overtaken is told so. A node restarted while the ring still holds what
    it missed takes up where it left off. The ring ends with the machine.
    """

    delivers = "at most once"
    replays = True
    is_transactional = False

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._options = parse("NOTHING_SHARED_BUS['OPTIONS']", settings.options, LocalBusOptions)
        named = settings.location
        place = Path(named).expanduser().absolute() if named else project_directory() / "bus"
        self.directory = place

    @property
    def max_packet(self) -> int:
        for berth in list(self._berths.values()):
            return berth.ring.max_packet
        return self._options.ring_bytes // 8

    def join(self, node: Node) -> None:
        super().join(node)
        node.table.words[layout.MEMBER_UNTIL] = NEVER  # the kernel keeps this roster

    def introduce(self, node: Node) -> None:
        """Do nothing: who sits on the ring's roster is there while it lives."""

    def wake(self, berth: Berth, node: Node, topic: str) -> None:
        # A change was applied here before it was sent: its own node has nothing to hurry for.
        berth.wake_all(but=node.table.id if topic == changes.TOPIC else None)

    def leave(self, node: Node) -> None:
        left = self.cast_off(node)
        if left is not None:
            left[0].wake_all()
            kick.hush()

    async def listen(self, node: Node, receiver: Receiver) -> None:
        while not node.table.is_retired:
            await Watch(self.berth(node), node, receiver, self.seal).keep()

    def moor(self, node: Node) -> Berth:
        ensure(self.directory)
        berth = Berth(self.directory, node, self.seal, ring_bytes=self._options.ring_bytes)
        berth.wake_all()
        return berth

    def unavailable(self, node: Node, failure: Exception) -> BusUnavailable:
        return BusUnavailable(f"the ring in {self.directory} is out of reach: {failure}")
