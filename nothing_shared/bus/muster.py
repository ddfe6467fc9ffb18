"""Who must be heard: the roster in the database, looked at again and again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from django.db import DatabaseError

from nothing_shared.bus.ledger import Gap
from nothing_shared.bus.membership import PATIENCE, Membership, Row
from nothing_shared.bus.receiver import Receiver
from nothing_shared.clock import SECOND
from nothing_shared.node.process import Node

__all__ = ["Muster"]

logger = logging.getLogger("nothing_shared.bus")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a row said, and when it was first seen to say that."""

    beat: int
    since: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The number that a node's messages had reached, by its own word, at a time."""

    sequence: int
    at: int


class Muster:
    """Tells the lease whom to wait for, and the ledger who is gone."""

    def __init__(
        self, node: Node, receiver: Receiver, membership: Membership, *, may_lose: bool
    ) -> None:
        self._node = node
        self._receiver = receiver
        self._membership = membership
        self._may_lose = may_lose
        self._sightings: dict[int, Sighting] = {}
        self._claims: dict[int, Claim] = {}
        self._gone: set[int] | None = None
        """Nodes that have left, and whose every message is accounted for."""
        self.seated = asyncio.Event()
        """Set once this node has its seat: from then on all wait for it, and none takes it for gone."""
        self._known: set[int] | None = None
        """Nodes that had been heard at the last look: another may be about to take its seat."""

    async def watch(self) -> None:
        """Look at the roster four times a lease until cancelled."""
        is_out = False
        while True:
            try:
                await self._look()
                is_out = False
            except (DatabaseError, OSError) as failure:
                if not is_out:
                    logger.warning("node %s can't read the roster: %s", self._node.name, failure)
                is_out = True
            await asyncio.sleep(self._node.lease / SECOND / 4)

    async def _look(self) -> None:
        began = self._node.table.clock()
        was_seated = await asyncio.to_thread(self._membership.refresh)
        if not was_seated and self.seated.is_set():
            self._receiver.gap(Gap("this node showed no life for too long"))
        self.seated.set()
        known, self._known = self._known, self._receiver.ledger.origins()
        rows = await asyncio.to_thread(self._membership.look)
        now = self._node.table.clock()
        silent = [row for row in rows if self._is_silent(row, now)]
        for row in silent:
            await asyncio.to_thread(self._membership.strike_off, row)
        self._take(rows, silent, self._known if known is None else known, began)

    def _is_silent(self, row: Row, now: int) -> bool:
        """Say whether a node has shown no life for so long that nobody waits for it any more."""
        seen = self._sightings.get(row.origin)
        if seen is None or seen.beat != row.beat:
            self._sightings[row.origin] = Sighting(row.beat, now)
            return False
        return now - seen.since > PATIENCE * max(int(row.lease * SECOND), self._node.lease)

    def _take(self, rows: list[Row], silent: list[Row], known: set[int], began: int) -> None:
        receiver = self._receiver
        gone = {row.origin for row in silent}
        present = {row.origin for row in rows if not row.is_away} - gone
        leaving = {row.origin for row in rows if row.is_away} - gone
        newcomers = receiver.ledger.origins() - known
        # Of one that has said goodbye, the goodbye may be on its way.
        for gap in receiver.ledger.vanished(present | leaving | newcomers):
            receiver.gap(gap)
        if self._may_lose:
            self._hold_to_their_word(rows, present)
        for origin in (self._sightings.keys() - {row.origin for row in rows}) | gone:
            for memory in (self._sightings, self._claims, receiver.echoes):
                memory.pop(origin, None)
        receiver.lease.look(present | {self._node.table.id}, began)
        receiver.extend_lease()

    def _hold_to_their_word(self, rows: list[Row], present: set[int]) -> None:
        """Find last messages of nodes that left and were lost, and nodes that came and went unheard.

        What a node that is here has said last, its next heartbeat tells, and in its turn: by the
        roster, what is only on its way would count as lost.
        """
        now = self._node.table.clock()
        if self._gone is None:
            self._gone = set()
            if self._receiver.is_joining:  # what was before is nobody's gap
                self._gone.update(row.origin for row in rows if row.is_away)
        for row in rows:
            if row.origin in present:
                self._gone.discard(row.origin)
                self._claims.pop(row.origin, None)
                continue
            if row.origin in self._gone:
                continue
            claim = self._claims.get(row.origin)
            if claim is None:
                self._claims[row.origin] = Claim(row.sequence, now)
            elif now - claim.at > self._node.lease // 2:
                self._claims[row.origin] = Claim(row.sequence, now)
                self._judge(row, claim)
        self._gone.intersection_update(row.origin for row in rows)

    def _judge(self, row: Row, claim: Claim) -> None:
        receiver = self._receiver
        gap = receiver.ledger.tail_gap(row.origin, claim.sequence)
        has_left = row.is_away and row.origin not in receiver.ledger.departed
        if gap is None and has_left and receiver.ledger.is_unknown(row.origin):
            gap = Gap("a node came and went unheard", row.origin, None, claim.sequence)
        if gap is not None:
            receiver.gap(gap)
            receiver.ledger.skip_to(row.origin, claim.sequence)
        if row.is_away and claim.sequence == row.sequence:
            receiver.ledger.forget(row.origin)
            assert self._gone is not None
            self._gone.add(row.origin)
