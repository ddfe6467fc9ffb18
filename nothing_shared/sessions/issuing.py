"""From what a request has made of a session to the tokens that its client gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from nothing_shared.sessions import memory
from nothing_shared.sessions.errors import SessionTooLarge
from nothing_shared.sessions.header import Header, Kind, flags_of
from nothing_shared.sessions.jar import chunks_of, data_name
from nothing_shared.sessions.lines import Line
from nothing_shared.sessions.merging import merged
from nothing_shared.sessions.packing import biggest_keys, pack, split, unpack
from nothing_shared.sessions.terms import Terms
from nothing_shared.sessions.tokens import Token

__all__ = ["Issuing"]

SECRETS = ("_csrftoken", "_password_reset_token")
"""What must not be compressed together with words of a stranger."""


@dataclass
class Issuing:
    """One save."""

    terms: Terms
    old: Line | None
    base: dict[str, Any]
    content: dict[str, Any]
    serializer: Any
    sid: bytes
    born: int
    now: int
    age: float
    is_browser_length: bool
    generation: int
    is_signed_in: bool = False

    def line(self, *, split: bool) -> Line:
        """Return the session's new tokens; an old one stays where a new one would say the same."""
        return self._split() if split else Line(self._varying(Kind.WHOLE, self.base, self.content))

    def _split(self) -> Line:
        login, data = split(self.content)
        self.is_signed_in = bool(login)
        main = self._token(Kind.LOGIN, login) if login else None
        if main is not None and not data and self._has_no_past():
            return Line(main)
        varying = self._varying(Kind.DATA, split(self.base)[1], data)
        is_empty = main is not None and not self.content
        self.content.update(login)
        return Line(main, None if is_empty else varying)

    def _has_no_past(self) -> bool:
        """Say whether there never was any data, as far as this machine knows."""
        return self.old is None or (
            self._old(Kind.DATA) is None and memory.last_of(self.sid, Kind.DATA) is None
        )

    def _varying(self, kind: Kind, base: dict[str, Any], mine: dict[str, Any]) -> Token:
        """Make the token that other requests may be making at the same time.

        It is remembered also where it is the first, or holds nothing any more and is not sent: its
        number is what tells older data from newer.
        """
        self.content = mine
        if self.old is None:
            return self._token(kind, mine)
        with memory.turn() as remember:
            old = self._old(kind)
            newer = memory.newer_than(old) if old else memory.last_of(self.sid, kind)
            if newer is not None:
                if (self.old.head.kind is Kind.WHOLE) is (kind is Kind.WHOLE):
                    theirs = unpack(newer.packed, self.serializer.loads)
                    self.content = merged(base, mine, theirs)
                old = newer
            token = self._token(kind, self.content, old)
            if token is not old:
                remember(token)
        return token

    def _old(self, kind: Kind) -> Token | None:
        tokens = self.old.tokens if self.old else ()
        return next((token for token in tokens if token.header.kind is kind), None)

    def _token(self, kind: Kind, content: dict[str, Any], old: Token | None = None) -> Token:
        old = old or self._old(kind)
        packed = pack(content, self.serializer.dumps)
        header = Header(
            flags_of(
                kind,
                is_browser_length=self.is_browser_length,
                is_bound=kind is Kind.DATA and self.is_signed_in,
            ),
            self.sid,
            self.born,
            self.now,
            self.terms.limits.expiry(self.born, self.now, self.age),
            self.generation,
            (old.header.counter + 1) % 2**16 if old else 0,
        )
        if old is not None and old.packed == packed and self._says_the_same(old, header):
            return old
        token = self.terms.codec.encode(
            header, packed, holds_secret=any(key in content for key in SECRETS)
        )
        self._refuse_too_large(token, content)
        return token

    def _says_the_same(self, old: Token, header: Header) -> bool:
        limits = self.terms.limits
        return (
            old.is_of_newest_key
            and old.header.generation == header.generation
            and old.header.is_browser_length == header.is_browser_length
            and old.header.is_bound == header.is_bound
            and limits.is_near(old.header, header.expires)
            and not limits.is_due(old.header, header.issued)
        )

    def _refuse_too_large(self, token: Token, content: dict[str, Any]) -> None:
        """Raise SessionTooLarge where a browser would drop the cookie without a word."""
        name = settings.SESSION_COOKIE_NAME
        chunks = 1
        if token.header.kind is Kind.DATA:
            name, chunks = data_name(name), self.terms.options.chunks
        if chunks_of(name, token.text, most=chunks) is not None:
            return
        keys = ", ".join(
            f"{key!r} ({size} bytes)" for key, size in biggest_keys(content, self.serializer.dumps)
        )
        raise SessionTooLarge(
            f"The session takes a cookie of {len(name) + len(token.text)} bytes; browsers keep 4096 "
            f"and drop what is larger without a word. The biggest keys: {keys}. Keep such values in "
            'the database, or allow more cookies: NOTHING_SHARED_SESSIONS = {"CHUNKS": 2}.'
        )
