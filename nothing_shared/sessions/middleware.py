"""Carry a session between its cookies and the views."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangosSessionMiddleware
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import http_date

from nothing_shared.sessions import revocations, wall
from nothing_shared.sessions.backends.signed_cookies import SessionStore
from nothing_shared.sessions.conf import ENGINE, session_settings
from nothing_shared.sessions.errors import INTERRUPTED, SessionTooLarge
from nothing_shared.sessions.header import Header, Kind
from nothing_shared.sessions.jar import JOINT, Jar, chunk_names, chunks_of, data_name
from nothing_shared.sessions.lines import choose
from nothing_shared.sessions.packing import USER
from nothing_shared.sessions.terms import terms
from nothing_shared.sessions.tokens import Token

__all__ = ["SessionMiddleware"]

logger = logging.getLogger("nothing_shared.sessions")


class SessionMiddleware(DjangosSessionMiddleware):
    """Django's, with login and data in cookies of their own, read from the bytes that came.

    Django's test client is answered with one cookie: it looks for all of a session in the one called
    SESSION_COOKIE_NAME. (A ``Client(enforce_csrf_checks=True)`` gets what a browser gets.)
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ImproperlyConfigured(
                f"SESSION_ENGINE = {settings.SESSION_ENGINE!r} keeps its sessions elsewhere; "
                f'nothing_shared.sessions.middleware.SessionMiddleware needs "{ENGINE}".'
            )

    async def __acall__(self, request: HttpRequest) -> HttpResponse:
        await self._areceive(request)
        store: Any = request.session
        await store.prepare()
        answer = self.get_response(request)
        assert isinstance(answer, Awaitable)
        response: Any = await answer
        answered: HttpResponse = await sync_to_async(self.process_response)(request, response)
        return answered

    async def _areceive(self, request: HttpRequest) -> None:
        if Jar(_cookie_header(request)).is_ambiguous(settings.SESSION_COOKIE_NAME):
            await sync_to_async(self.process_request)(request)  # the database may be asked
        else:
            self.process_request(request)

    def process_request(self, request: HttpRequest) -> None:
        jar = Jar(_cookie_header(request))
        store: Any = self.SessionStore(self._key_of(jar))
        store.is_managed = True
        store.is_split = not _is_test_client(request)
        if not self.async_mode and revocations.is_asked_within_a_transaction():
            store.prepare_now()
        request.session = store
        request._session_jar = jar  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        store = getattr(request, "session", None)
        jar = getattr(request, "_session_jar", None)
        if not isinstance(store, SessionStore) or jar is None:
            return response
        accessed = store.accessed
        if settings.SESSION_SAVE_EVERY_REQUEST:
            store.items()  # nothing is made of a cookie that says nothing
        empty, came = store.is_empty(), jar.names(settings.SESSION_COOKIE_NAME)
        self._end_again(store, response)
        if empty:
            self._send({}, came if store.is_flushed else _forged(jar), response)
        elif response.status_code < 500 and not empty and self._is_to_be_saved(store):
            self._send(self._saved(store, jar), self._unused(store, came), response)
        if accessed:
            patch_vary_headers(response, ("Cookie",))
        return response

    def _key_of(self, jar: Jar) -> str | None:
        """Join the tokens that came into one session key; each counts in a place of its kind only."""
        name = settings.SESSION_COOKIE_NAME
        logins = [value.split(JOINT)[0] for value in jar.candidates(name)]
        datas = [text for value in jar.candidates(name) for text in value.split(JOINT)[1:2]]
        datas += [value for value in jar.candidates(data_name(name)) if JOINT not in value]
        login = self._chosen(logins, (Kind.WHOLE, Kind.LOGIN))
        if login is not None and len(datas) > 1:
            datas = [text for text in datas if _sid_of(text) == _sid_of(login)]
        return JOINT.join(filter(None, (login, self._chosen(datas, (Kind.DATA,))))) or None

    def _chosen(self, texts: list[str], kinds: tuple[Kind, ...]) -> str | None:
        codec = terms().codec
        if len(texts) == 1:
            return texts[0] if codec.claimed(texts[0]) in (None, *kinds) else None
        token = choose(texts, codec, kinds, lambda token: self.SessionStore().exists(token.text))
        return token and token.text

    def _end_again(self, store: SessionStore, response: HttpResponse) -> None:
        """End what this request has ended in a transaction that was rolled back.

        Except where the client, for it gets an error, keeps the session that another was to follow.
        """
        for ended in list(store.ended):
            if response.status_code < 500 or not ended.has_successor:
                revocations.end_session(ended.sid, until=ended.until)

    def _is_to_be_saved(self, store: SessionStore) -> bool:
        if store.is_withheld and USER not in store:
            return False  # or it would take the place of the one that is withheld
        return store.modified or settings.SESSION_SAVE_EVERY_REQUEST or store.is_due

    def _saved(self, store: SessionStore, jar: Jar) -> dict[str, tuple[str, Header]]:
        """Save, and return the cookies that are not what came already."""
        try:
            store.save()
        except UpdateError:
            if store.modified:
                raise SessionInterrupted(INTERRUPTED) from None
            return {}
        except SessionTooLarge:
            if store.modified:
                raise
            logger.exception("a session that is in use could not be issued anew")
            return {}
        return {
            name: (value, token.header)
            for token in store.tokens
            for name, value in _cookies_of(token).items()
            if jar.values(name) != [value]
        }

    def _unused(self, store: SessionStore, came: list[str]) -> list[str]:
        used = {name for token in store.tokens for name in _cookies_of(token)}
        return [name for name in came if name not in used]

    def _send(
        self,
        changed: dict[str, tuple[str, Header]],
        unused: list[str],
        response: HttpResponse,
    ) -> None:
        for name, (value, header) in changed.items():
            age = None if header.is_browser_length else header.expires - int(wall.clock())
            response.set_cookie(
                name,
                value,
                max_age=age,
                expires=None if age is None else http_date(time.time() + age),
                domain=settings.SESSION_COOKIE_DOMAIN,
                path=settings.SESSION_COOKIE_PATH,
                secure=settings.SESSION_COOKIE_SECURE or False,
                httponly=settings.SESSION_COOKIE_HTTPONLY or False,
                samesite=settings.SESSION_COOKIE_SAMESITE,
            )
        for name in unused:
            response.delete_cookie(
                name,
                path=settings.SESSION_COOKIE_PATH,
                domain=settings.SESSION_COOKIE_DOMAIN,
                samesite=settings.SESSION_COOKIE_SAMESITE,
            )
        if changed or unused:
            patch_vary_headers(response, ("Cookie",))
            patch_cache_control(response, private=True)


def _cookie_header(request: HttpRequest) -> str:
    """Return the bytes of the header, a character each.

    Under ASGI they are taken from the scope: HTTP/2 clients send several headers, and Django 5.2
    joins them with a comma.
    """
    scope = getattr(request, "scope", None)
    if scope is None:
        return str(request.META.get("HTTP_COOKIE", ""))
    found = (value for name, value in scope.get("headers", ()) if name == b"cookie")
    return b"; ".join(found).decode("latin-1")


def _sid_of(text: str) -> bytes | None:
    token = terms().codec.opened(text)
    return token and token.header.sid


def _forged(jar: Jar) -> list[str]:
    """Return the cookies that can never count again.

    Not those of a session that has ended or of a key that is not known here: a late answer would
    take away what the client was sent meanwhile, by this node or by one with other keys.
    """
    name, codec, found = settings.SESSION_COOKIE_NAME, terms().codec, []
    for known in (name, data_name(name)):
        texts = jar.candidates(known)
        if texts and all(codec.is_forged(text) for text in texts):
            found += [chunk for chunk in chunk_names(known) if jar.values(chunk)]
    return found


def _is_test_client(request: HttpRequest) -> bool:
    """Say so only in Django's test environment: sites set the flag, too, to switch CSRF checks off."""
    return hasattr(mail, "outbox") and getattr(request, "_dont_enforce_csrf_checks", False)


def _cookies_of(token: Token) -> dict[str, str]:
    name = settings.SESSION_COOKIE_NAME
    if token.header.kind is not Kind.DATA:
        return {name: token.text}
    most = session_settings().chunks
    return chunks_of(data_name(name), token.text, most=most) or {}
