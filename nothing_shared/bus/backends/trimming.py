"""What removes messages from the outbox once they are old, by the database's clock alone."""

from __future__ import annotations

from nothing_shared.bus.backends.wire import Wire

__all__ = ["Trimmer"]

MARK = """
INSERT INTO nothing_shared_bus_watermark (namespace, xid, is_trimmed)
SELECT %(namespace)s::text, pg_snapshot_xmin(pg_current_snapshot()), false
WHERE NOT EXISTS (
    SELECT FROM nothing_shared_bus_watermark
    WHERE namespace = %(namespace)s::text AND taken > now() - make_interval(secs => %(retention)s::float / 16)
)
"""
"""When a row was inserted doesn't say when it was committed. But what was before this mark then had
been committed when the mark was made."""

DECLARE = """
UPDATE nothing_shared_bus_watermark SET is_trimmed = true
WHERE namespace = %(namespace)s AND NOT is_trimmed
AND taken < now() - make_interval(secs => %(retention)s)
"""

MARK_BEFORE = """
(SELECT xid FROM nothing_shared_bus_watermark
WHERE namespace = %(namespace)s AND taken < now() - make_interval(secs => {})
ORDER BY xid DESC LIMIT 1)
"""

TRIM = f"""
DELETE FROM nothing_shared_bus_outbox WHERE id IN (
    SELECT id FROM nothing_shared_bus_outbox AS old
    WHERE namespace = %(namespace)s AND xid < {MARK_BEFORE.format("%(retention)s")}
    AND (NOT EXISTS (
        SELECT FROM nothing_shared_bus_group AS waiting
        WHERE waiting.namespace = old.namespace AND waiting.topic = old.topic
        AND old.xid >= pg_snapshot_xmin(split_part(waiting.progress, '|', 1)::pg_snapshot)
    ) OR xid < {MARK_BEFORE.format("%(group_retention)s")})
    ORDER BY xid, id LIMIT 1000 FOR UPDATE SKIP LOCKED
) RETURNING id
"""

FORGET = """
DELETE FROM nothing_shared_bus_watermark AS old
WHERE namespace = %(namespace)s AND taken < now() - make_interval(secs => %(group_retention)s)
AND EXISTS (
    SELECT FROM nothing_shared_bus_watermark AS later
    WHERE later.namespace = old.namespace AND later.is_trimmed AND later.xid >= old.xid
    AND later.taken > old.taken AND later.taken < now() - make_interval(secs => %(group_retention)s)
)
"""
"""The last mark that is old enough for groups stays, and with it one that says what was trimmed."""


class Trimmer:
    """Any number of nodes may do this at a time."""

    def __init__(self, namespace: str, retention: float, group_retention: float) -> None:
        self._values = {
            "namespace": namespace,
            "retention": retention,
            "group_retention": max(retention, group_retention),
        }

    async def run(self, wire: Wire) -> None:
        """Note the time, say what will be gone, and delete that, a thousand rows at a time."""
        for statement in (MARK, DECLARE):
            await wire.run(statement, self._values)
        while await wire.run(TRIM, self._values):
            pass
        await wire.run(FORGET, self._values)
