"""The codec that the settings ask for."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from nothing_shared.sessions.conf import session_settings
from nothing_shared.sessions.header import VERSION, Kind
from nothing_shared.sessions.keys import KeyRing, purpose_of
from nothing_shared.sessions.tokens import Codec
from nothing_shared.signing import secret_keys

__all__ = ["current_codec"]


def current_codec() -> Codec:
    options = session_settings()
    return _codec(
        secret_keys(),
        settings.SESSION_COOKIE_NAME,
        options.namespace,
        options.seal,
        options.compress,
    )


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
