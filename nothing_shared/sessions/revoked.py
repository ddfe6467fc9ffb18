"""What one process knows of revocations, and whether it still knows all.

The table in the database is read once; from then on the change table tells. A revocation changes two
slots: that of all revocations, and that of the session or user it is about. While neither has changed
since, memory is right. Once one has, the database is asked about this one session, which is then
remembered too: so a sign-out costs nobody else anything, and no order of rows matters.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from nothing_shared.node import layout, slots
from nothing_shared.node.table import ChangeTable

__all__ = [
    "ANY",
    "EVERYONE",
    "SLOT_OF_EVERYONE",
    "Bearer",
    "Entry",
    "Revoked",
    "session_name",
    "slot_of_session",
    "slot_of_user",
    "user_name",
]

EPOCH = slots.EPOCH

EVERYONE = "everyone"
SESSION, USER = "session:", "user:"

ANY = slots.slot("sessions", "any")
"""Touched by every revocation."""
SLOT_OF_EVERYONE = slots.slot("sessions", EVERYONE)

MOST_ASKED = 2000
"""Answers of the database that are remembered one by one; past them all is read anew."""


def session_name(sid: str) -> str:
    return SESSION + sid


def user_name(key: str) -> str:
    """Name a user in the table; one whose key is too long for it, by its hash."""
    return USER + (key if len(key) <= 200 else hashlib.sha256(key.encode()).hexdigest())


def slot_of_session(sid: str) -> int:
    """An id is random, so a part of it is as good as a hash."""
    return int(sid[:8], 16) | slots.FIRST_HASHED


def slot_of_user(key: str) -> int:
    """A quick hash does: users that share a slot only cost each other a question."""
    return zlib.crc32(key.encode(), 0x5E5510) | slots.FIRST_HASHED


class Entry(NamedTuple):
    """A revocation, as it stands in the database."""

    name: str
    generation: int = 0
    spared: str = ""


class Bearer(NamedTuple):
    """A session as far as revocations go."""

    sid: str
    user: str = ""
    """The key of the user, "" where nobody is signed in."""
    generation: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """What could be revoked to end it."""
        if self.user:
            return session_name(self.sid), EVERYONE, user_name(self.user)
        return (session_name(self.sid),)


class Revoked:
    """One process's memory of a node's table of revocations."""

    def __init__(self, table: ChangeTable) -> None:
        self.table = table
        self._begun = 0
        self._sessions: set[str] = set()
        self._users: dict[str, Entry] = {}
        """Sign-outs everywhere, by name, that of everyone among them."""
        self._asked: dict[str, int] = {}
        """When the database was asked about each session."""
        self._any, self._everyone = table.index(ANY), table.index(SLOT_OF_EVERYONE)

    def __len__(self) -> int:
        return len(self._sessions) + len(self._users)

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
        if bearer.sid in self._sessions or (self._users and self._is_outlived(bearer)):
            return True  # what has ended stays ended, whatever this node may not hear
        table, begun = self.table, self._begun
        changed = table.changed
        # The lease is read before the slots, and the clock after them: what is heard under the
        # lease is in the table by then.
        until = table.words[layout.LEASE_UNTIL]
        if changed[EPOCH] >= begun:
            return None
        if changed[self._any] >= begun and not self._is_untouched(bearer):
            return None
        return None if table.clock() >= until else False

    def has_heard_nothing_of(self, bearer: Bearer) -> bool:
        """Say whether memory is right as far as this node hears."""
        return not self.is_void and self._is_untouched(bearer)

    def _is_untouched(self, bearer: Bearer) -> bool:
        sid, user, _ = bearer
        since, changed, index = self._begun, self.table.changed, self.table.index
        if self._asked:
            since = max(since, self._asked.get(sid, 0))
        if changed[index(slot_of_session(sid))] >= since:
            return False
        if not user:
            return True
        return changed[self._everyone] < since and changed[index(slot_of_user(user))] < since

    def ends(self, bearer: Bearer) -> bool:
        """Say whether what is remembered ends a session."""
        return bearer.sid in self._sessions or self._is_outlived(bearer)

    def _is_outlived(self, bearer: Bearer) -> bool:
        sid, user, generation = bearer
        if not user:
            return False
        return any(
            entry is not None and generation < entry.generation and sid != entry.spared
            for entry in (self._users.get(EVERYONE), self._users.get(user_name(user)))
        )

    def read(self, entries: Iterable[Entry], begun: int) -> None:
        """Take all there is; ``begun`` is when reading it began."""
        sessions: set[str] = set()
        users: dict[str, Entry] = {}
        for entry in entries:
            _sort(entry, sessions, users)
        self._sessions, self._users, self._asked = sessions, users, {}
        self._begun = begun

    def note(self, bearer: Bearer, found: Iterable[Entry], begun: int) -> None:
        """Take what the database says of one session; ``begun`` is when it was asked."""
        for entry in found:
            _sort(entry, self._sessions, self._users)
        self._asked[bearer.sid] = begun


def _sort(entry: Entry, sessions: set[str], users: dict[str, Entry]) -> None:
    if entry.name.startswith(SESSION):
        sessions.add(entry.name.removeprefix(SESSION))
    else:
        users[entry.name] = entry
