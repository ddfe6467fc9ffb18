"""``SESSION_ENGINE``: the cookie is the session, and every node knows which were signed out."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from nothing_shared.sessions import memory, revocations, wall
from nothing_shared.sessions.errors import INTERRUPTED, BadToken
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


class Ended(NamedTuple):
    """A session that a request has ended."""

    sid: str
    until: int
    """When no cookie of it counts any more."""
    has_successor: bool
    """Whether the client gets another one in its place."""


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
        self._is_rekeyed = False
        self.is_flushed = False
        """Whether this request has ended the session, whatever it was."""
        self.ended: list[Ended] = []
        """Sessions that this request has ended, for as long as that may be rolled back."""

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

    def prepare_now(self) -> None:
        """Do as :meth:`prepare` does."""
        if self.session_key is not None:
            self._session_cache = self.load()

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
        line = self._verified(key)
        if line is None:
            return None
        line = memory.newest(line, self._is_alive)
        try:
            return line, line.content(self.serializer().loads)
        except Exception:  # whatever a serializer raises
            logger.warning("a session was made with another serializer, and is not read")
            return None

    def _verified(self, key: str | None) -> Line | None:
        try:
            return open_line(key, self._terms.codec, self._is_alive) if key else None
        except BadToken:
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
        carried = self._carried()
        self._session_key, self._line, self._generation = None, None, carried
        self.save(must_create=True)
        self.modified = True

    def _carried(self) -> int | None:
        """Return the generation of the session that a new one goes on with, if the user stays the same.

        It is not the newest: a sign-out everywhere that comes meanwhile ends the new one, too.
        """
        content = self._get_session(no_load=True)
        if self._line is None or USER not in content:
            return None
        base = self._line.content(self.serializer().loads)
        if base.get(USER) != content[USER]:
            return None
        if revocations.is_revoked_for_certain(_bearer(self._line, base)):
            raise SessionInterrupted(INTERRUPTED)
        return self._generation or self._line.head.generation

    def cycle_key(self) -> None:
        """Go on under another id, and end the old one; raises SessionInterrupted if it has ended."""
        if not self._is_merely_rekeyed():
            super().cycle_key()

    async def acycle_key(self) -> None:
        await self.prepare()
        if not self._is_merely_rekeyed():
            await super().acycle_key()

    def _is_merely_rekeyed(self) -> bool:
        """Say whether ``get_user`` asks for another id because the site's key was rotated.

        Then the id stays, and the session is only signed anew: requests under way would else be
        those of a session that has ended. Who asks a second time in one request means it.
        """
        content, line = self._get_session(), self._line
        if self._is_rekeyed or line is None or USER not in content:
            return False
        if line.tokens[0].is_of_newest_key or content != line.content(self.serializer().loads):
            return False
        self._is_rekeyed = self.modified = True
        return True

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
        if old is not None and revocations.is_revoked_for_certain(_bearer(old, base)):
            raise UpdateError
        if USER in base and content.get(USER) != base[USER]:
            return super().cycle_key()  # a login taken out by hand has ended in every copy
        issuing = self._issuing(old, base, content)
        is_parted = old is not None and old.head.kind is Kind.LOGIN
        self._line = issuing.line(split=self.is_split or is_parted)
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
        is_carried = old is None and generation is not None
        if user and user != base.get(USER) and not is_carried:
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
            age=self.get_expiry_age(
                modification=datetime.fromtimestamp(now, tz=UTC if settings.USE_TZ else None),
                expiry=content.get("_session_expiry"),
            ),
            is_browser_length=self.get_expire_at_browser_close(),
            generation=generation or 0,
        )

    # Ending -------------------------------------------------------------------------------------

    def delete(self, session_key: str | None = None) -> None:
        """End a session everywhere: no cookie of it counts any more."""
        is_own = session_key is None or session_key == self.session_key
        line = self._verified(session_key or self.session_key or self._withheld)
        self.is_withheld = False
        if is_own:
            self._line, self.is_flushed = None, True
        if line is None:
            return
        bounds = self._terms.limits
        until = line.head.born + bounds.absolute + 2 * bounds.leeway
        ended = Ended(line.sid, until, has_successor=not is_own)
        self.ended.append(ended)
        revocations.end_session(ended.sid, until=until)
        revocations.once_certain(partial(self.ended.remove, ended))

    def spare(self, generation: int) -> None:
        """Carry the number of a sign-out of all others from the next save on."""
        self._generation = generation
        self.modified = True

    @classmethod
    def clear_expired(cls) -> None:
        revocations.purge()


def _bearer(line: Line, content: dict[str, Any]) -> Bearer:
    return Bearer(line.sid, str(content.get(USER, "")), line.head.generation)
