"""PostgreSQL: the system, its timeline, and the log sequence number (LSN).

The insert position, and not the write or flush position: with ``synchronous_commit=off`` those are below
a commit that was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from nothing_shared.node.positions import Position

__all__ = ["PostgreSQL", "end_of_record", "folded"]

IDENTITY = """
SELECT s.system_identifier, i.wal_block_size, i.bytes_per_wal_segment
FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_init() i
"""
TIMELINE = "SELECT substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)"
INSERTED = "SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::bigint"

# The receiver's timeline is for roles that may read all statistics; it is there while the standby
# streams. The last restart point's is for everybody, and behind: that asks the primary too often
# for a while after a failover, and never too seldom. A standby changes to a timeline that it could not
# have replayed up to where it is by no means.
REPLAYED = """
SELECT pg_catalog.pg_is_in_recovery(), (pg_catalog.pg_last_wal_replay_lsn() - '0/0')::bigint,
  greatest((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),
           (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()))
"""

SHORT_HEADER, LONG_HEADER = 24, 40
PAUSE = 0.0005


@dataclass(frozen=True, slots=True)
class Identity:
    system: int
    block: int
    segment: int


def folded(identifier: int) -> int:
    """Return the 64-bit system identifier in 32 bits."""
    return (identifier ^ identifier >> 32) & 0xFFFFFFFF


def end_of_record(lsn: int, block: int, segment: int) -> int:
    """Return where the last record ended, given where the next would begin.

    Past a page's end they differ by its header, and replay stops at the end: without this a
    replica that has all there is would count as behind until somebody writes again.
    """
    if lsn % segment == LONG_HEADER:
        return lsn - LONG_HEADER
    if lsn % block == SHORT_HEADER and lsn % segment != SHORT_HEADER:
        return lsn - SHORT_HEADER
    return lsn


class PostgreSQL:
    """PostgreSQL 15 and later, with streaming replicas."""

    def __init__(self) -> None:
        self._identities: WeakKeyDictionary[Any, Identity] = WeakKeyDictionary()
        self._timelines: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def of_primary(self, raw: Any) -> Position:
        identity, timeline = self._identity(raw), self._timelines.get(raw)
        if timeline is None:  # it stays: a server that comes to another has ended its connections
            timeline = self._timelines[raw] = int(_one(raw, TIMELINE)[0], 16)
        (lsn,) = _one(raw, INSERTED)
        return Position(
            identity.system, timeline, end_of_record(lsn, identity.block, identity.segment)
        )

    def of_replica(self, raw: Any) -> Position:
        identity = self._identity(raw)
        in_recovery, lsn, timeline = _one(raw, REPLAYED)
        if not in_recovery:  # it was promoted
            return self.of_primary(raw)
        return Position(identity.system, timeline or 0, lsn or 0)

    def wait(
        self,
        raw: Any,
        position: Position,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> Position:
        end = clock() + seconds
        while True:
            found = self.of_replica(raw)
            if found >= position or found[:2] != position[:2] or clock() >= end:
                return found
            time.sleep(PAUSE)

    def _identity(self, raw: Any) -> Identity:
        known = self._identities.get(raw)
        if known is None:
            system, block, segment = _one(raw, IDENTITY)
            known = self._identities[raw] = Identity(folded(system), block, segment)
        return known


def _one(raw: Any, statement: str) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()
