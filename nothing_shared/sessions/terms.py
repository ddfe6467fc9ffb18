"""What the settings make of sessions: keys, codec and limits, worked out once and again when they change."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from nothing_shared.sessions.conf import SessionSettings, limits_of, session_settings
from nothing_shared.sessions.header import VERSION, Kind
from nothing_shared.sessions.keys import KeyRing, purpose_of
from nothing_shared.sessions.limits import Limits
from nothing_shared.sessions.tokens import Codec
from nothing_shared.signing import secret_keys

__all__ = ["Terms", "terms"]


class Terms(NamedTuple):
    """On which terms a request's session is read and written."""

    codec: Codec
    limits: Limits
    options: SessionSettings


_known: Terms | None = None


def terms() -> Terms:
    """Return what the settings say now: worked out once, and anew once one of them has changed."""
    global _known
    found = _known
    if found is None:
        found = _known = _made(settings.SESSION_COOKIE_NAME)
    return found


@receiver(setting_changed)
def _forget(**kwargs: Any) -> None:
    global _known
    _known = None


def _made(cookie: str) -> Terms:
    options = session_settings()
    compresses = options.compress and not options.seal  # what is sealed is meant to be a secret
    codec = _codec(secret_keys(), cookie, options.namespace, options.seal, compresses)
    return Terms(codec, limits_of(options), options)


@lru_cache(maxsize=32)
def _codec(
    secrets: tuple[bytes, ...], cookie: str, namespace: str, seals: bool, compresses: bool
) -> Codec:
    rings = {
        kind: KeyRing(
            secrets,
            purpose_of("nothing_shared.session", str(VERSION), kind.name, cookie, namespace),
        )
        for kind in Kind
    }
    return Codec(rings, seals=seals, compresses=compresses)
