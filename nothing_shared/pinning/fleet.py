"""The replicas of one connection, and the choice among them for one statement."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from django.db.utils import Error

from nothing_shared.causality.identity import database_of
from nothing_shared.causality.scopes import Scope
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process, slots
from nothing_shared.node.positions import UNKNOWN, Cells, Position, Positions, history_of, later
from nothing_shared.pinning.conf import ReplicaSettings, pinning_settings
from nothing_shared.pinning.replica import Replica

if TYPE_CHECKING:
    from nothing_shared.pinning.mixin import PinningMixin

__all__ = ["Fleet"]

Tables = frozenset[str] | None
"""Names of tables; None is anything at all."""

MOST_SETS = 4096


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
        self._slot = slots.database(self.database)
        self._primary = primary
        self._chance = chance or random.Random()
        self._positions: Positions | None = None
        self._cells: dict[Tables, tuple[Cells, tuple[int, ...] | None]] = {}

    def replica_for(self, unit: Scope, tables: Tables) -> Replica | None:
        """Return a replica that has replayed what this unit of work must see of these tables."""
        known = process.current().table.positions
        if known is not self._positions:
            self._enter(known)
        entry = self._cells.get(tables) or self._note(known, tables)
        if entry is None:
            return None
        cells, named = entry
        chosen: Replica | None = unit.reader.servers.get(self.database)
        if (
            chosen is not None
            and chosen.is_open
            and known.are_reached(chosen.history, chosen.lsn, cells)
        ):
            floor = unit.reader.floors.of(self._slot, named)
            if floor is None or self._is_reached(chosen, floor):
                return chosen
        return self._find(unit, known, cells, named)

    def _find(
        self, unit: Scope, known: Positions, cells: Cells, named: tuple[int, ...] | None
    ) -> Replica | None:
        own = unit.reader.floors.of(self._slot, named)
        floor = known.highest(cells)
        floor = floor if own is None else later(floor, own)
        has_looked = floor == UNKNOWN
        if has_looked:
            floor = self._look(unit, known, cells, named)
        for replica in self._in_order(unit):
            if not replica.open():
                continue
            if not self._is_reached(replica, floor) and not self._is_caught_up(replica, floor):
                newer = history_of(floor) < replica.history
                if not newer or has_looked:
                    continue
                has_looked = True
                floor = self._look(unit, known, cells, named)
                if not self._is_reached(replica, floor) and not self._is_caught_up(replica, floor):
                    continue
            unit.reader.servers[self.database] = replica
            return replica
        return None

    def _is_reached(self, replica: Replica, floor: Position) -> bool:
        return replica.history == history_of(floor) and replica.lsn >= floor.lsn

    def _is_caught_up(self, replica: Replica, floor: Position) -> bool:
        """Ask the replica, and wait for it a little."""
        wait = pinning_settings().wait if replica.health.is_worth_waiting_for else 0.0
        replica.ask(floor, wait=wait)
        if self._is_reached(replica, floor):
            return True
        if wait and replica.history == history_of(floor):
            replica.health.lagged(wait)
        return False

    def _look(
        self, unit: Scope, known: Positions, cells: Cells, named: tuple[int, ...] | None
    ) -> Position:
        """Ask the primary how far it has got, in place of what can't be compared any more."""
        seen = known.seen(cells)
        position = self._primary.look()
        if position == UNKNOWN:
            return UNKNOWN
        try:
            process.current().table.settle(seen, position)
        except LockTimeout:
            return UNKNOWN
        reader = unit.reader
        reader.is_settled |= reader.floors.settle(self._slot, position)
        floor, own = known.highest(cells), reader.floors.of(self._slot, named)
        return floor if own is None else later(floor, own)

    def _in_order(self, unit: Scope) -> Iterator[Replica]:
        """Yield the one that was chosen before, then all others, drawn by weight."""
        chosen = unit.reader.servers.get(self.database)
        left = [
            replica for replica in self.replicas if replica is not chosen and replica.weight > 0
        ]
        if chosen in self.replicas:
            yield chosen
        while left:
            (drawn,) = self._chance.choices(left, [replica.weight for replica in left])
            left.remove(drawn)
            yield drawn

    def _enter(self, known: Positions) -> None:
        """Begin to keep positions in the change table of a node that is new to this connection."""
        process.current().table.enter(self._slot)
        self._positions = known
        self._cells.clear()

    def _note(
        self, known: Positions, tables: Tables
    ) -> tuple[Cells, tuple[int, ...] | None] | None:
        named = None
        if tables is not None:
            named = tuple(slots.table(self.database, table) for table in sorted(tables))
        cells = known.cells(self._slot, named)
        if cells is None:
            return None
        if len(self._cells) > MOST_SETS:
            self._cells.clear()
        self._cells[tables] = cells, named
        return cells, named

    def close(self) -> None:
        for replica in self.replicas:
            replica.close()

    def close_if_unusable_or_obsolete(self) -> None:
        for replica in self.replicas:
            try:
                replica.close_if_unusable_or_obsolete()
            except Error:
                replica.close()
