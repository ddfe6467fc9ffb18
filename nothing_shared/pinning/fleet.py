"""The replicas of one connection, and the choice among them for one statement."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from django.db.utils import Error

from nothing_shared.causality.identity import database_of
from nothing_shared.causality.unit import Scope
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process, slots
from nothing_shared.node.positions import UNKNOWN, Cells, Position, Positions, later
from nothing_shared.node.table import ChangeTable
from nothing_shared.pinning.conf import ReplicaSettings, pinning_settings
from nothing_shared.pinning.errors import StalePrimary
from nothing_shared.pinning.replica import Replica

if TYPE_CHECKING:
    from nothing_shared.pinning.mixin import PinningMixin

__all__ = ["Fleet"]

Tables = frozenset[str] | None
"""Names of tables; None is anything at all."""

MOST_SETS = 4096


class Read(NamedTuple):
    """Tables that are read together: their cells in the node's change table, and their slots."""

    cells: Cells
    named: tuple[int, ...] | None


class Fleet:
    """Finds a replica that shows what a reader must see; None means the primary."""

    def __init__(
        self,
        primary: PinningMixin,
        replicas: Iterable[ReplicaSettings],
        *,
        chance: random.Random | None = None,
    ) -> None:
        self.replicas = [Replica(primary, number, one) for number, one in enumerate(replicas)]
        self.database = database_of(primary.alias)
        self.slot = slots.database(self.database)
        self._primary = primary
        self._chance = chance or random.Random()
        self._positions: Positions | None = None
        self._reads: dict[Tables, Read] = {}

    def replica_for(
        self, unit: Scope, tables: Tables, *, without: Collection[Replica] = ()
    ) -> Replica | None:
        """Return a replica that has replayed what this unit of work must see of these tables."""
        table = process.current().table
        known = table.positions
        if known is not self._positions and not self._enter(table):
            return None
        read = self._reads.get(tables) or self._note(known, tables)
        if read is None:
            return None
        if unit.may_fill and not table.leased():
            unit.may_fill = (
                False  # what changes meanwhile is not heard of; only the primary shows it
            )
        chosen = self._chosen(unit)
        if (
            chosen is not None
            and not without
            and chosen.is_open
            and known.are_reached(chosen.history, chosen.lsn, read.cells)
        ):
            own = unit.reader.floors.of(self.slot, read.named)
            if own is None or chosen.has_reached(own):
                return chosen
        return self._find(unit, known, read, without)

    def stand_in(self, unit: Scope, tables: Tables) -> Replica | None:
        """Return a replica that shows what the client has written, while the primary is away.

        It may lack what others wrote, so nothing is cached of what is read now.
        """
        read = self._reads.get(tables)
        if read is None:
            return None
        own = unit.reader.floors.of(self.slot, read.named)
        found = None if own == UNKNOWN else self._search(unit, own)
        unit.may_fill &= found is None
        return found

    def _find(
        self, unit: Scope, known: Positions, read: Read, without: Collection[Replica]
    ) -> Replica | None:
        own = unit.reader.floors.of(self.slot, read.named)
        floor = self._floor(known, read, own)
        has_looked = floor == UNKNOWN
        if has_looked:
            floor = self._look(unit, known, read)
        found = self._search(unit, floor, without)
        if found is None and not has_looked and self._is_overtaken(floor):
            floor = self._look(unit, known, read)
            found = self._search(unit, floor, without)
        if found is not None:
            self._judge_fills(unit, found, known, read)
            if own is not None and floor is not None and own[:2] != floor[:2]:
                # Whatever of an older history has survived is in this one.
                unit.reader.has_news |= unit.reader.floors.settle(self.slot, floor)
        return found if found is not None and found.is_open else None

    def _search(
        self, unit: Scope, floor: Position | None, without: Collection[Replica] = ()
    ) -> Replica | None:
        for replica in self._in_order(unit):
            if replica in without:
                continue
            if replica.open() and (floor is None or self._reaches(replica, floor)):
                unit.reader.servers[self._primary.alias] = self.replicas.index(replica)
                return replica
        return None

    def _reaches(self, replica: Replica, floor: Position) -> bool:
        """Say whether a replica is there, asking it, and waiting for it a little."""
        if replica.has_reached(floor):
            return True
        if floor == UNKNOWN:
            return False
        wait = pinning_settings().wait if replica.health.is_worth_waiting_for else 0.0
        replica.ask(floor, wait=wait)
        if replica.has_reached(floor):
            return True
        if wait:
            replica.health.lagged(wait)
        return False

    # What must be seen ------------------------------------------------------------------------

    @property
    def _node_counts(self) -> bool:
        return pinning_settings().freshness == "node"

    def _judge_fills(self, unit: Scope, replica: Replica, known: Positions, read: Read) -> None:
        """Let nothing be cached of what a replica shows that this node has heard past."""
        if self._node_counts or not unit.may_fill:
            return
        if not known.are_reached(replica.history, replica.lsn, read.cells):
            if known.highest(read.cells) == UNKNOWN:
                self._look(unit, known, read)
            replica.ask()
            unit.may_fill &= known.are_reached(replica.history, replica.lsn, read.cells)

    def _floor(self, known: Positions, read: Read, own: Position | None) -> Position | None:
        if not self._node_counts:
            return own
        heard = known.highest(read.cells)
        return heard if own is None else later(heard, own)

    def _is_overtaken(self, floor: Position | None) -> bool:
        """Say whether there are replicas on another history than the floor, or on a later part of it."""
        positions = [replica.position for replica in self.replicas]
        return floor is not None and any(
            position is not None
            and (position.system != floor.system or position.timeline > floor.timeline)
            for position in positions
        )

    def _look(self, unit: Scope, known: Positions, read: Read) -> Position | None:
        """Ask the primary how far it has got, in place of what can't be compared any more.

        While it is away, only what the client has written counts, and nothing is cached.
        """
        seen = known.seen(read.cells)
        position = self._primary.look()
        reader = unit.reader
        if position != UNKNOWN:
            try:
                process.current().table.settle(seen, position)
            except LockTimeout:
                return UNKNOWN
            reader.has_news |= reader.floors.settle(self.slot, position)
        own = reader.floors.of(self.slot, read.named)
        return self._floor(known, read, own)

    def refuse_stale(self, own: Position) -> None:
        """Refuse a primary that was replaced by the one on which the client has written."""
        history = self._primary.history()
        if _is_behind(history, own):  # the same address may lead to the new one by now
            self._primary.disconnect()
            history = self._primary.history()
        if _is_behind(history, own):
            raise StalePrimary(
                f"The primary of {self._primary.alias!r} is on an older timeline than {own.timeline}, on "
                "which this client has written: it was replaced, and shows an old state."
            )

    # Who is asked -----------------------------------------------------------------------------

    def _chosen(self, unit: Scope) -> Replica | None:
        """Return this thread's own connection to the server that the unit of work has chosen."""
        number = unit.reader.servers.get(self._primary.alias)
        return None if number is None or number >= len(self.replicas) else self.replicas[number]

    def _in_order(self, unit: Scope) -> Iterator[Replica]:
        """Yield the one that was chosen before, then all others, drawn by weight."""
        chosen = self._chosen(unit)
        left = [one for one in self.replicas if one is not chosen and one.weight > 0]
        if chosen is not None:
            yield chosen
        while left:
            (drawn,) = self._chance.choices(left, [replica.weight for replica in left])
            left.remove(drawn)
            yield drawn

    def _enter(self, table: ChangeTable) -> bool:
        """Begin to keep positions in the change table of a node that is new to this connection."""
        if table.positions.cells(self.slot, ()) is None:
            try:
                table.enter(self.slot)
            except LockTimeout:
                return False
        self._positions = table.positions
        self._reads.clear()
        return True

    def _note(self, known: Positions, tables: Tables) -> Read | None:
        named = None
        if tables is not None:
            named = tuple(slots.table(self.database, table) for table in sorted(tables))
        cells = known.cells(self.slot, named)
        if cells is None:
            return None
        if len(self._reads) > MOST_SETS:
            self._reads.clear()
        read = self._reads[tables] = Read(cells, named)
        return read

    def close(self) -> None:
        for replica in self.replicas:
            replica.close()

    def close_pool(self) -> None:
        for replica in self.replicas:
            replica.close_pool()

    def close_if_unusable_or_obsolete(self) -> None:
        for replica in self.replicas:
            try:
                replica.close_if_unusable_or_obsolete()
            except Error:
                replica.close()


def _is_behind(history: tuple[int, int] | None, own: Position) -> bool:
    return history is not None and history[0] == own.system and history[1] < own.timeline
