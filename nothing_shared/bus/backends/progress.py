"""How far a reader of the outbox has come: a snapshot, and the rows of the next one that it has read.

An id says nothing here: ids are given out in another order than transactions commit in.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress", "Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """PostgreSQL's ``pg_snapshot``: which transactions had ended when it was taken."""

    xmin: int
    """All before this one had."""
    xmax: int
    """This one and all after it had not."""
    running: tuple[int, ...] = ()
    """Those in between that had not."""

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), tuple(int(xid) for xid in running.split(",") if xid))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.running))}"


@dataclass(frozen=True, slots=True)
class Progress:
    """All that ``seen`` shows has been read, and of what ``target`` shows the rows up to one."""

    seen: Snapshot
    target: Snapshot | None = None
    xid: int = 0
    id: int = 0

    @classmethod
    def at(cls, cursor: int) -> Progress:
        """Begin where all transactions before one have been read."""
        return cls(Snapshot(cursor, cursor))

    @classmethod
    def parse(cls, text: str) -> Progress:
        seen, target, xid, id = text.split("|")
        shown = Snapshot.parse(target) if target else None
        return cls(Snapshot.parse(seen), shown, int(xid), int(id))

    def __str__(self) -> str:
        return f"{self.seen}|{self.target or ''}|{self.xid}|{self.id}"

    @property
    def cursor(self) -> int:
        """The transaction before which all has been read."""
        return self.seen.xmin if self.target is None else min(self.xid, self.target.xmin)

    def upto(self, target: Snapshot, xid: int, id: int) -> Progress:
        """Return the progress once the rows of a snapshot up to this one have been read."""
        return Progress(self.seen, target, xid, id)
