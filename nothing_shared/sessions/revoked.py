"""What one process knows of revocations, and whether it still knows all.

The table in the database is read once; from then on the change table tells. A revocation changes two
slots: that of all revocations, and that of the session or user it is about. While neither has changed
since, memory is right. Once one has, the database is asked about this one session, which is then
remembered too: so a sign-out costs nobody else anything, and no order of rows matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nothing_shared.node import layout, slots
from nothing_shared.node.table import ChangeTable

__all__ = [
    "ANY",
    "EVERYONE",
    "Bearer",
    "Entry",
    "Revoked",
    "session_name",
    "slot_of",
    "slot_of_session",
    "user_name",
]

EVERYONE = "everyone"
ANY = slots.slot("sessions", "any")
"""Touched by every revocation."""

MOST_ASKED = 2000
"""Answers of the database that are remembered one by one; past them all is read anew."""


def user_name(key: str) -> str:
    """Name a user in the table; one whose key is too long for it, by its hash."""
    return f"user:{key if len(key) <= 200 else hashlib.sha256(key.encode()).hexdigest()}"


def session_name(sid: str) -> str:
    return f"session:{sid}"


def slot_of(name: str) -> int:
    return slots.slot("sessions", name)


def slot_of_session(sid: str) -> int:
    """An id is random, so a part of it is as good as a hash."""
    return max(int(sid[:8], 16), slots.FIRST_HASHED)


@dataclass(frozen=True, slots=True)
class Entry:
    """A revocation, as it stands in the database."""

    name: str
    generation: int = 0
    spared: str = ""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A session as far as revocations go."""

    sid: str
    user: str = ""
    """The key of the user, "" where nobody is signed in."""
    generation: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """What could be revoked to end it."""
        mine = (session_name(self.sid),)
        return (*mine, EVERYONE, user_name(self.user)) if self.user else mine

    def indexes(self, table: ChangeTable) -> Iterator[int]:
        """Yield where a change of each of these names shows in the change table."""
        yield table.index(slot_of_session(self.sid))
        if self.user:
            yield table.index(slot_of(EVERYONE))
            yield table.index(slot_of(user_name(self.user)))


class Revoked:
    """One process's memory of a node's table of revocations."""

    def __init__(self, table: ChangeTable) -> None:
        self.table = table
        self._begun = 0
        self._entries: dict[str, Entry] = {}
        self._asked: dict[str, int] = {}
        self._any = table.index(ANY)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_void(self) -> bool:
        """Whether all must be read: never done, a gap since, or too many single answers."""
        changed = self.table.changed
        return changed[slots.EPOCH] >= self._begun or len(self._asked) > MOST_ASKED

    @property
    def may_be_deaf(self) -> bool:
        return not self.table.leased()

    def verdict(self, bearer: Bearer) -> bool | None:
        """Say whether a session is revoked; None if memory can't tell, or this node may be deaf."""
        if self.ends(bearer):
            return True  # what has ended stays ended, whatever this node may not hear
        table = self.table
        changed, begun = table.changed, self._begun
        # The lease is read before the slots, and the clock after them: what is heard under the
        # lease is in the table by then.
        until = table.words[layout.LEASE_UNTIL]
        if changed[slots.EPOCH] >= begun:
            return None
        if changed[self._any] >= begun and not self._is_known(bearer):
            return None
        return None if table.clock() >= until else False

    def has_heard_nothing_of(self, bearer: Bearer) -> bool:
        """Say whether, as far as this node hears, memory is right."""
        changed, begun = self.table.changed, self._begun
        return changed[slots.EPOCH] < begun and (
            changed[self._any] < begun or self._is_known(bearer)
        )

    def _is_known(self, bearer: Bearer) -> bool:
        table, asked, begun = self.table, self._asked, self._begun
        changed = table.changed
        if all(changed[index] < begun for index in bearer.indexes(table)):
            return True
        return all(
            changed[index] < asked.get(name, begun)
            for name, index in zip(bearer.names, bearer.indexes(table), strict=True)
        )

    def ends(self, bearer: Bearer) -> bool:
        """Say whether what is remembered ends a session."""
        entries = self._entries
        if not entries:
            return False
        if session_name(bearer.sid) in entries:
            return True
        return bool(bearer.user) and (
            self._is_outlived(bearer, EVERYONE) or self._is_outlived(bearer, user_name(bearer.user))
        )

    def _is_outlived(self, bearer: Bearer, name: str) -> bool:
        entry = self._entries.get(name)
        return (
            entry is not None
            and bearer.generation < entry.generation
            and bearer.sid != entry.spared
        )

    def read(self, entries: Iterable[Entry], begun: int) -> None:
        """Take all there is; ``begun`` is when reading it began."""
        self._entries = {entry.name: entry for entry in entries}
        self._asked = {}
        self._begun = begun

    def note(self, bearer: Bearer, found: Iterable[Entry], begun: int) -> None:
        """Take what the database says of one session; ``begun`` is when it was asked."""
        self._entries.update((entry.name, entry) for entry in found)
        self._asked.update(dict.fromkeys(bearer.names, begun))
