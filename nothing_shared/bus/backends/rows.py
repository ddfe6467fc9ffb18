"""The outbox, as it is read and written: every row that is committed, once, in no reader's way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nothing_shared.bus.backends.progress import Progress, Snapshot
from nothing_shared.bus.backends.wire import Wire
from nothing_shared.bus.outbox import Parcel

__all__ = ["AT_ONCE", "INSERT_ONE", "Head", "Row", "Rows"]

AT_ONCE = 200

INSERT_ONE = """
INSERT INTO nothing_shared_bus_outbox (namespace, topic, packet) VALUES (%s, %s, %b)
"""

INSERT = """
WITH stored AS (
INSERT INTO nothing_shared_bus_outbox (namespace, topic, packet)
SELECT %(namespace)s, topic, packet
FROM unnest(%(topics)s::text[], %(packets)s::bytea[]) WITH ORDINALITY AS parcel (topic, packet, place)
ORDER BY place
) SELECT pg_notify(%(channel)s, '')
"""
"""Who commits a notification makes all others that do wait until it has committed: agents may, whose
parcels are many to a transaction; the site's own transactions mustn't, and are told of afterwards."""

# One comparison of rows alone: beside a second bound, btree may begin at the lower of the two.
BEGAN_LATER = "(xid, id) > (%(from_xid)s::text::xid8, %(from_id)s::bigint)"

WAS_RUNNING = """xid = ANY (%(running)s::text[]::xid8[])
AND (xid > %(xid)s::text::xid8 OR xid = %(xid)s::text::xid8 AND id > %(id)s::bigint)"""

ARM = """
(SELECT xid, id, packet FROM nothing_shared_bus_outbox
WHERE namespace = %(namespace)s AND {}
AND pg_visible_in_snapshot(xid, coalesce(%(target)s::text::pg_snapshot, pg_current_snapshot()))
AND (%(topic)s::text IS NULL OR topic = %(topic)s)
ORDER BY xid, id LIMIT %(limit)s)
"""

TRIMMED = """
(SELECT coalesce(max(xid::text::bigint), 0) FROM nothing_shared_bus_watermark
WHERE namespace = %(namespace)s AND is_trimmed)
"""

READ = f"""
SELECT coalesce(%(target)s::text, pg_current_snapshot()::text), {TRIMMED}, xid::text, id, packet
FROM (SELECT) AS always LEFT JOIN LATERAL (
{ARM.format(BEGAN_LATER)}
UNION ALL
{ARM.format(WAS_RUNNING)}
ORDER BY xid, id LIMIT %(limit)s
) AS found ON true
ORDER BY found.xid, found.id
"""
"""What has become visible since a snapshot: it began later, or it was running then. Whatever else
runs for long on the server delays nothing, as reading up to the oldest running transaction would."""

HEAD = f"""
SELECT pg_current_snapshot()::text, {TRIMMED}, (pg_control_system()).system_identifier::text,
left(pg_walfile_name(pg_current_wal_lsn()), 8), database.oid::text,
'nothing_shared_bus_outbox'::regclass::oid::text
FROM pg_database AS database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the outbox ends now, where it begins, and which one it is."""

    snapshot: Snapshot
    trimmed: int
    history: int


class Row(NamedTuple):
    xid: int
    id: int
    packet: bytes


class Rows:
    """The rows of one bus."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    async def head(self, wire: Wire) -> Head:
        """A server that was promoted, or restored to a point in time, is another history."""
        ((snapshot, trimmed, *identity),) = await wire.run(HEAD, {"namespace": self.namespace})
        digest = hashlib.blake2b("/".join(identity).encode(), digest_size=8).digest()
        return Head(Snapshot.parse(snapshot), trimmed, int.from_bytes(digest, "big") | 1)

    async def append(self, wire: Wire, parcels: Sequence[Parcel], channel: str) -> None:
        """Store parcels, and notify a channel once they are committed."""
        topics = [parcel.topic for parcel in parcels]
        packets = [parcel.packet for parcel in parcels]
        values = {
            "namespace": self.namespace,
            "topics": topics,
            "packets": packets,
            "channel": channel,
        }
        await wire.run(INSERT, values)

    async def after(
        self, wire: Wire, progress: Progress, *, topic: str | None = None, limit: int = AT_ONCE
    ) -> tuple[list[Row], Progress]:
        """Return the next rows, of one topic or all, and the progress once they have been read.

        Raises OSError if rows may have been trimmed that had yet to be read.
        """
        found = await wire.run(READ, self._values(progress, topic, limit))
        target, trimmed = Snapshot.parse(found[0][0]), found[0][1]
        if topic is None and trimmed > progress.cursor:
            raise OSError(f"the outbox was trimmed up to {trimmed}; {progress.cursor} was read")
        rows = [Row(int(xid), id, packet) for _, _, xid, id, packet in found if xid]
        if len(rows) < limit:
            return rows, Progress(target)
        return rows, progress.upto(target, rows[-1].xid, rows[-1].id)

    def _values(self, progress: Progress, topic: str | None, limit: int) -> dict[str, Any]:
        from_xid, from_id = max((progress.seen.xmax, -1), (progress.xid, progress.id))
        return {
            "namespace": self.namespace,
            "from_xid": str(from_xid),
            "from_id": from_id,
            "running": [str(xid) for xid in progress.seen.running],
            "target": None if progress.target is None else str(progress.target),
            "xid": str(progress.xid),
            "id": progress.id,
            "topic": topic,
            "limit": limit,
        }
