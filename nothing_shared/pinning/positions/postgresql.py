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
SELECT s.system_identifier, i.wal_block_size, i.bytes_per_wal_segment, pg_catalog.pg_backend_pid()
FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_init() i
"""
INSERTED = """
SELECT (lsn - '0/0')::bigint, substr(pg_catalog.pg_walfile_name(lsn), 1, 8)
FROM pg_catalog.pg_current_wal_insert_lsn() AS lsn
"""

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
    is_pooled: bool
    """Whether a pooler answers for the server, and may give each transaction to another."""


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

    def of_primary(self, raw: Any) -> Position:
        identity = self._identity(raw)
        lsn, timeline = _one(raw, INSERTED)
        end = end_of_record(lsn, identity.block, identity.segment)
        return Position(identity.system, int(timeline, 16), end)

    def of_replica(self, raw: Any) -> Position:
        identity = self._identity(raw)
        in_recovery, lsn, timeline = _one(raw, REPLAYED)
        # Behind a pooler the next statement may be another server's; and what follows nobody any more
        # goes its own way.
        if identity.is_pooled or not in_recovery:
            return Position(identity.system, 0, 0)
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
            system, block, segment, pid = _one(raw, IDENTITY)
            is_pooled = pid != raw.info.backend_pid
            known = Identity(folded(system), block, segment, is_pooled)
            self._identities[raw] = known
        return known


def _one(raw: Any, statement: str) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()
