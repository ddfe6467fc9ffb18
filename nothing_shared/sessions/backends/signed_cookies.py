"""``SESSION_ENGINE``: the cookie is the session, and every node knows which were signed out."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase, UpdateError

from nothing_shared.sessions import memory, revocations, wall
from nothing_shared.sessions.errors import BadToken
from nothing_shared.sessions.header import Header, Kind
from nothing_shared.sessions.issuing import Issuing
from nothing_shared.sessions.lines import Line, open_line
from nothing_shared.sessions.packing import USER
from nothing_shared.sessions.revoked import Bearer
from nothing_shared.sessions.signals import session_refused
from nothing_shared.sessions.terms import Terms, terms
from nothing_shared.sessions.tokens import Token

__all__ = ["SessionStore"]

logger = logging.getLogger("nothing_shared.sessions")


class SessionStore(SessionBase):
    """Keeps a session in its client's cookies: signed, sealed if the site says so, revocable.

    ``session_key`` is what the client holds, and so another after each save; ``sid`` stays. Saving a
    session that was ended elsewhere raises ``UpdateError``: it never rises from the dead.
    """

    is_split = False
    """Whether login and data are to stand in cookies of their own; the middleware says so."""
    is_managed = False
    """Whether our middleware asks :attr:`is_due`; Django's only knows ``modified``."""
    is_withheld = False
    """Whether the site denies this session for as long as this node may not hear of sign-outs."""

    if TYPE_CHECKING:

        def _get_session(self, no_load: bool = False) -> dict[str, Any]: ...

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._terms: Terms = terms()
        self._line: Line | None = None
        self._generation: int | None = None
        self._withheld: str | None = None
        self._is_newer_known = False
        """Whether the client holds something older than this machine does, or something void."""
        self.ended: list[tuple[str, int]] = []
        """Sessions that this request has ended, and until when that must be remembered."""

    # Loading ------------------------------------------------------------------------------------

    @property
    def sid(self) -> str | None:
        """The session's id, which stays the same for as long as it lasts; None before its first save."""
        self._get_session()
        return self._line.sid if self._line else None

    @property
    def tokens(self) -> tuple[Token, ...]:
        """What the client holds from the last load or save on."""
        return self._line.tokens if self._line else ()

    def load(self) -> dict[str, Any]:
        opened = self._open(self.session_key)
        return self._take(opened, opened is not None and self._is_revoked(*opened))

    async def aload(self) -> dict[str, Any]:
        opened = self._open(self.session_key)
        verdict = opened is not None and revocations.quick_verdict(_bearer(*opened))
        if verdict is None:  # the database must be asked
            return await sync_to_async(self.load)()
        return self._take(opened, verdict)

    async def prepare(self) -> None:
        """Do now what loading waits for, so that an async view may use the session as a dict."""
        if self.session_key is not None and not hasattr(self, "_session_cache"):
            self._session_cache = await self.aload()

    def _take(self, opened: tuple[Line, dict[str, Any]] | None, revoked: bool) -> dict[str, Any]:
        if opened is None or revoked:
            reason = "revoked" if revoked else "forged or expired"
            if self.session_key is not None:
                session_refused.send_robust(sender=type(self), reason=reason)
            self._withheld = self.session_key if self.is_withheld else None
            self._session_key, self._line = None, None
            return {}
        self._line, content = opened
        self._is_newer_known = self._line.key != self.session_key
        if self.is_due and not self.is_managed:
            self.modified = True
        return content

    def _open(self, key: str | None) -> tuple[Line, dict[str, Any]] | None:
        """Verify a session key, and return what it says; None if it says nothing that counts."""
        if not key:
            return None
        try:
            opened = open_line(key, self._terms.codec, self._is_alive)
        except BadToken:
            return None
        line = memory.newest(opened, self._is_alive)
        try:
            return line, line.content(self.serializer().loads)
        except Exception:  # whatever a serializer raises
            logger.warning("a session was made with another serializer, and is not read")
            return None

    def _is_alive(self, header: Header) -> bool:
        return self._terms.limits.is_alive(header, wall.clock())

    def _is_revoked(self, line: Line, content: dict[str, Any]) -> bool:
        try:
            return revocations.is_revoked(_bearer(line, content))
        except revocations.Withheld:
            self.is_withheld = True
            return True

    def exists(self, session_key: str | None) -> bool:
        opened = self._open(session_key)
        return opened is not None and not self._is_revoked(*opened)

    # Saving -------------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether to issue the session anew though nothing was modified."""
        line = self._line
        return line is not None and (
            self._is_newer_known
            or (self.is_split and line.head.kind is Kind.WHOLE)
            or any(not token.is_of_newest_key for token in line.tokens)
            or self._terms.limits.is_due(line.head, wall.clock())
        )

    def create(self) -> None:
        self._session_key, self._line = None, None
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Make new tokens of what has changed; equal content makes none.

        Raises UpdateError if the session was ended meanwhile; SessionTooLarge.
        """
        if self.session_key is None and not must_create:
            return self.create()
        content = self._get_session(no_load=must_create)
        old = None if must_create else self._line or self._reopened()
        if old is None and not must_create:
            return self.create()
        base = old.content(self.serializer().loads) if old else {}
        if old is not None and revocations.is_revoked(_bearer(old, base)):
            raise UpdateError
        issuing = self._issuing(old, base, content)
        self._line = issuing.line(split=self.is_split)
        self._session_cache = issuing.content
        self._session_key = self._line.key
        self._is_newer_known = False
        return None

    def _reopened(self) -> Line | None:
        opened = self._open(self.session_key)
        return opened[0] if opened else None

    def _issuing(self, old: Line | None, base: dict[str, Any], content: dict[str, Any]) -> Issuing:
        now, user = int(wall.clock()), content.get(USER)
        generation = self._generation if old is None else self._generation or old.head.generation
        if user and user != base.get(USER):
            generation = revocations.generation_of(str(user))
        return Issuing(
            terms=self._terms,
            old=old,
            base=base,
            content=content,
            serializer=self.serializer(),
            sid=old.head.sid if old else secrets.token_bytes(16),
            born=old.head.born if old else now,
            now=now,
            age=self.get_expiry_age(expiry=content.get("_session_expiry")),
            is_browser_length=self.get_expire_at_browser_close(),
            generation=generation or 0,
        )

    # Ending -------------------------------------------------------------------------------------

    def delete(self, session_key: str | None = None) -> None:
        """End a session everywhere: no cookie of it counts any more."""
        opened = self._open(session_key or self.session_key or self._withheld)
        self.is_withheld = False
        if opened is None:
            return
        head, bounds = opened[0].head, self._terms.limits
        ended = opened[0].sid, head.born + bounds.absolute + bounds.leeway
        self.ended.append(ended)
        revocations.end_session(ended[0], until=ended[1])

    def spare(self, generation: int) -> None:
        """Carry the number of a sign-out of all others from the next save on."""
        self._generation = generation
        self.modified = True

    @classmethod
    def clear_expired(cls) -> None:
        revocations.purge()


def _bearer(line: Line, content: dict[str, Any]) -> Bearer:
    return Bearer(line.sid, str(content.get(USER, "")), line.head.generation)
