"""A group's progress on one topic, and the lock by which its members take turns."""

from __future__ import annotations

import hashlib

from nothing_shared.bus.backends.progress import Progress
from nothing_shared.bus.backends.rows import Row, Rows
from nothing_shared.bus.backends.wire import Refused, Wire

__all__ = ["Turns"]

WAIT = "1s"
"""A turn is waited for in pieces: a statement that runs for long keeps VACUUM from its work."""
LOCK_NOT_AVAILABLE = "55P03"
STALE = "10 seconds"
"""After which a group that has nothing to do notes how far it has looked."""

BEGIN = """
INSERT INTO nothing_shared_bus_group (namespace, topic, name, progress)
VALUES (%(namespace)s, %(topic)s, %(name)s, pg_current_snapshot()::text || '||0|0')
ON CONFLICT DO NOTHING
"""

WHOSE = "WHERE namespace = %(namespace)s AND topic = %(topic)s AND name = %(name)s"

STORE = f"""
UPDATE nothing_shared_bus_group SET progress = %(progress)s, stored = statement_timestamp() {WHOSE}
"""


class Turns:
    """One member's. The lock is its connection's, so that it goes with a node that dies.

    No transaction is open while a message is worked on: that would hold up whoever waits for all
    transactions of the server to end.
    """

    def __init__(self, rows: Rows, wire: Wire, topic: str, group: str) -> None:
        self._rows = rows
        self._wire = wire
        self._topic = topic
        self._names = {"namespace": rows.namespace, "topic": topic, "name": group}
        key = f"{rows.namespace}\0{topic}\0{group}".encode()
        digest = hashlib.blake2b(key, digest_size=8).digest()
        self._lock = {"lock": int.from_bytes(digest, "big", signed=True)}
        self._after: Progress | None = None

    async def begin(self) -> None:
        """Make the group, if this is its first member: its messages begin now."""
        # A machine that lost its power must not keep the lock for the two hours of TCP's default.
        for name, value in (("idle", "5"), ("interval", "5"), ("count", "3")):
            await self._wire.run(f"SET tcp_keepalives_{name} = {value}")
        await self._wire.run(f"SET lock_timeout = '{WAIT}'")
        await self._wire.run(BEGIN, self._names)

    async def take(self) -> bool:
        """Take the turn, after those who asked before; False if that takes for long."""
        try:
            await self._wire.run("SELECT pg_advisory_lock(%(lock)s)", self._lock)
        except Refused as failure:
            if failure.sqlstate == LOCK_NOT_AVAILABLE:
                return False
            raise
        return True

    async def give_up(self) -> None:
        await self._wire.run("SELECT pg_advisory_unlock(%(lock)s)", self._lock)

    async def next(self) -> Row | None:
        """Return the next message of the topic, if there is one."""
        statement = (
            f"SELECT progress, stored < statement_timestamp() - interval '{STALE}' "
            f"FROM nothing_shared_bus_group {WHOSE}"
        )
        found = await self._wire.run(statement, self._names)
        if not found:
            raise OSError(f"the group {self._names['name']!r} was deleted")
        ((progress, is_stale),) = found
        return await self._next(Progress.parse(progress), is_stale=is_stale)

    async def _next(self, progress: Progress, *, is_stale: bool) -> Row | None:
        while True:
            ended = progress.target is None
            rows, progress = await self._rows.after(
                self._wire, progress, topic=self._topic, limit=1
            )
            self._after = progress
            if rows:
                return rows[0]
            if ended:
                break
        if is_stale:
            await self.done()
        return None

    async def done(self) -> None:
        """Note that what was returned last has been worked on."""
        await self._wire.run(STORE, {**self._names, "progress": str(self._after)})
