"""The settings of sessions: ``NOTHING_SHARED_SESSIONS``. What Django has a setting for stays there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.conf import settings

from nothing_shared.conf import option, read
from nothing_shared.sessions.limits import Limits

__all__ = ["ENGINE", "SETTING", "SessionSettings", "limits", "session_settings"]

SETTING = "NOTHING_SHARED_SESSIONS"
ENGINE = "nothing_shared.sessions.backends.signed_cookies"

LIVES = 4
"""How many times ``SESSION_COOKIE_AGE`` a session may live in all, by default."""


@dataclass(frozen=True)
class SessionSettings:
    seal: bool = option(
        False,
        "Whether the bearer of a cookie can't read what is in it. Needs `nothing-shared[sealed]`.",
    )
    compress: bool = option(
        False,
        "Whether sessions of over 1 KiB are compressed. Only for sites in whose sessions no visitor's "
        "words stand beside a secret: the length would tell it. Never with `SEAL`, nor where a CSRF "
        "token is in the session.",
    )
    chunks: int = option(
        1,
        "Cookies that the data of one session may take, of 4 KiB each. Servers and proxies limit the "
        "sum of all headers, often to 8 KiB.",
        minimum=1,
        maximum=3,
    )
    absolute_age: int | None = option(
        None,
        "Seconds from a sign-in (or a session's first use) to its end, however much it is used. "
        "`set_expiry` can't go past it, and a sign-out is remembered for as long. `None`: four times "
        "`SESSION_COOKIE_AGE`.",
        minimum=1,
    )
    idle_age: int | None = option(
        None,
        "Seconds without a request after which a session ends. `None`: as in Django, what counts is "
        "when it was last modified.",
        minimum=1,
    )
    refresh_after: int | None = option(
        None,
        "Seconds after which a session that is used is issued anew, so that it goes on. `None`: a "
        "tenth of `IDLE_AGE`, or never where there is none.",
        minimum=1,
    )
    clock_leeway: int = option(
        60, "Seconds by which the wall clocks of two nodes may differ.", minimum=0, maximum=3600
    )
    when_partitioned: Literal["check", "trust", "deny"] = option(
        "check",
        "What a node does with a signed-in request while it may not hear of sign-outs: `check` asks "
        "the database (one indexed query), `trust` goes by what it has heard so far, `deny` serves "
        "it as if signed out.",
    )
    user_cache: str = option(
        "default",
        "Alias in `CACHES` where `CachedModelBackend` keeps users and permissions. Only a "
        "`MachineCache` is used: any other would show what is no longer true.",
    )
    namespace: str = option(
        "", "Sites that share keys and a cookie name tell their sessions apart by this name."
    )


def session_settings() -> SessionSettings:
    return read(SETTING, SessionSettings)


def limits() -> Limits:
    return limits_of(session_settings())


def limits_of(options: SessionSettings) -> Limits:
    return Limits(
        absolute=options.absolute_age or LIVES * settings.SESSION_COOKIE_AGE,
        leeway=options.clock_leeway,
        idle=options.idle_age,
        refresh=options.refresh_after,
    )
