"""What one process knows of revocations, and whether it still knows all.

The table in the database is read once; from then on the change table tells. A revocation changes two
slots: that of all revocations, and that of the session or user it is about. While neither has changed
since, memory is right. Once one has, the database is asked about this one session, which is then
remembered too: so a sign-out costs nobody else anything, and no order of rows matters.
"""

from __future__ import annotations

import hashlib
import threading
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
    "is_ended",
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


class Known(NamedTuple):
    """What was read, and what was asked since then; swapped as a whole."""

    begun: int
    """When reading it began."""
    sessions: set[str]
    users: dict[str, Entry]
    """Sign-outs everywhere, by name, that of everyone among them."""
    asked: dict[tuple[str, str], int]
    """When the database was asked about each session and user."""

    def add(self, entry: Entry) -> None:
        """Take an entry, unless a newer one is there: answers may come in any order."""
        if entry.name.startswith(SESSION):
            self.sessions.add(entry.name.removeprefix(SESSION))
            return
        old = self.users.get(entry.name)
        if old is None or old.generation <= entry.generation:
            self.users[entry.name] = entry

    def ends(self, bearer: Bearer) -> bool:
        """Say whether what is remembered ends a session."""
        return bearer.sid in self.sessions or bool(self.users and self._is_outlived(bearer))

    def _is_outlived(self, bearer: Bearer) -> bool:
        sid, user, generation = bearer
        if not user:
            return False
        return any(
            entry is not None and generation < entry.generation and sid != entry.spared
            for entry in (self.users.get(EVERYONE), self.users.get(user_name(user)))
        )


def is_ended(bearer: Bearer, entries: Iterable[Entry]) -> bool:
    """Say whether these revocations end a session."""
    known = Known(0, set(), {}, {})
    for entry in entries:
        known.add(entry)
    return known.ends(bearer)


class Revoked:
    """One process's memory of a node's table of revocations; any thread may ask and tell."""

    def __init__(self, table: ChangeTable) -> None:
        self.table = table
        self._known = Known(0, set(), {}, {})
        self._telling = threading.Lock()
        self._any, self._everyone = table.index(ANY), table.index(SLOT_OF_EVERYONE)

    def __len__(self) -> int:
        return len(self._known.sessions) + len(self._known.users)

    @property
    def is_void(self) -> bool:
        """Whether all must be read: never done, a gap since, or too many single answers."""
        known = self._known
        return self.table.changed[EPOCH] >= known.begun or len(known.asked) > MOST_ASKED

    @property
    def may_be_deaf(self) -> bool:
        return not self.table.leased()

    def verdict(self, bearer: Bearer) -> bool | None:
        """Say whether a session is revoked; None if memory can't tell, or this node may be deaf."""
        table, known = self.table, self._known
        # The lease is read before the slots, and the clock after them: what is heard under the
        # lease is in the table by then.
        until = table.words[layout.LEASE_UNTIL]
        changed = table.changed
        is_right = changed[EPOCH] < known.begun and (
            changed[self._any] < known.begun or self._is_untouched(known, bearer)
        )
        # After it: an answer is noted after the entries that it found.
        if known.ends(bearer):
            return True  # what has ended stays ended, whatever this node may not hear
        return False if is_right and table.clock() < until else None

    def has_heard_nothing_of(self, bearer: Bearer) -> bool:
        """Say whether memory is right as far as this node hears."""
        return not self.is_void and self._is_untouched(self._known, bearer)

    def _is_untouched(self, known: Known, bearer: Bearer) -> bool:
        sid, user, _ = bearer
        since, changed, index = known.begun, self.table.changed, self.table.index
        if known.asked:
            since = max(since, known.asked.get((sid, user), 0))
        if changed[index(slot_of_session(sid))] >= since:
            return False
        if not user:
            return True
        return changed[self._everyone] < since and changed[index(slot_of_user(user))] < since

    def read(self, entries: Iterable[Entry], begun: int) -> None:
        """Take all there is; ``begun`` is when reading it began."""
        known = Known(begun, set(), {}, {})
        for entry in entries:
            known.add(entry)
        with self._telling:
            if self._known.begun <= begun:
                self._known = known

    def note(self, bearer: Bearer, found: Iterable[Entry], begun: int) -> None:
        """Take what the database says of one session; ``begun`` is when it was asked."""
        entries = list(found)
        with self._telling:
            for entry in entries:
                self._known.add(entry)
            # After them: whoever finds the answer finds what it said.
            self._known.asked[bearer.sid, bearer.user] = begun
