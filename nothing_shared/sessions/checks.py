"""What can be wrong with the settings of sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,
    register as register_check,
)
from django.db import connections, router
from django.utils.module_loading import import_string

from nothing_shared.checks import TAG, settings_errors
from nothing_shared.conf import problems
from nothing_shared.sessions import sealing
from nothing_shared.sessions.conf import ENGINE, SETTING, SessionSettings, session_settings

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_sessions.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_sessions.E002": (
        "`SECRET_KEY_FALLBACKS` is a string: each of its letters would be a key."
    ),
    "nothing_shared_sessions.E003": (
        "The session serializer can execute code that is in a cookie: it pickles."
    ),
    "nothing_shared_sessions.E004": "`SEAL` is on, and `cryptography` is not installed.",
    "nothing_shared_sessions.E005": (
        "The cookie's name begins with `__Host-` or `__Secure-`, and its flags make browsers refuse it."
    ),
    "nothing_shared_sessions.E006": (
        "A session middleware is there twice, or stands after what needs sessions."
    ),
    "nothing_shared_sessions.E007": (
        "`REFRESH_AFTER` is not less than `IDLE_AGE`: sessions end in the midst of being used."
    ),
    "nothing_shared_sessions.W001": "A cookie that any script or network can read is a session's.",
    "nothing_shared_sessions.W002": (
        "The cookie's name doesn't begin with `__Host-`: other hosts of its domain may set it, too. "
        "(`--deploy`)"
    ),
    "nothing_shared_sessions.W003": (
        "Django's `SessionMiddleware` keeps login and data in one cookie: of two requests at a time, "
        "one may undo the other's sign-in."
    ),
    "nothing_shared_sessions.W004": "Messages or CSRF tokens stand in the cookie with all the rest.",
    "nothing_shared_sessions.W005": (
        "The data may take more cookies than servers and proxies accept by default."
    ),
    "nothing_shared_sessions.W006": (
        "`CachedModelBackend` has no cache that knows what an entry was read from, so nothing is cached."
    ),
    "nothing_shared_sessions.W007": (
        "The table of revocations is missing. Told with `--database`; a warning, since an error would "
        "stop the `migrate` that makes the table."
    ),
}

OURS = "nothing_shared.sessions.middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
DEPENDENT = (
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
BACKEND = "nothing_shared.sessions.authentication.CachedModelBackend"


def is_in_use() -> bool:
    return bool(settings.SESSION_ENGINE == ENGINE)


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = list(
        settings_errors(SETTING, SessionSettings, id="nothing_shared_sessions.E001")
    )
    if not found and session_settings().seal and not sealing.is_available():
        hint = "pip install 'nothing-shared[sealed]'"
        found.append(Error(sealing.MISSING, hint=hint, id="nothing_shared_sessions.E004"))
    if not found and (refresh := session_settings().refresh_after):
        idle = session_settings().idle_age
        if idle is not None and refresh >= idle:
            found.append(_never_refreshed(refresh, idle))
    return found


def _never_refreshed(refresh: int, idle: int) -> CheckMessage:
    text = (
        f'{SETTING}["REFRESH_AFTER"] = {refresh} is not less than IDLE_AGE = {idle}: sessions end in the '
        "midst of being used."
    )
    hint = f'{SETTING} = {{"IDLE_AGE": {idle}, "REFRESH_AFTER": {idle // 10}}}'
    return Error(text, hint=hint, id="nothing_shared_sessions.E007")


def check_keys(**kwargs: Any) -> list[CheckMessage]:
    fallbacks: object = settings.SECRET_KEY_FALLBACKS
    if isinstance(fallbacks, (list, tuple)):
        return []
    text = f"SECRET_KEY_FALLBACKS is of type {type(fallbacks).__name__}; allowed: a list of keys."
    hint = "SECRET_KEY_FALLBACKS = [old_key]"
    return [Error(text, hint=hint, id="nothing_shared_sessions.E002")]


def check_serializer(**kwargs: Any) -> list[CheckMessage]:
    if not is_in_use() or "pickle" not in settings.SESSION_SERIALIZER.lower():
        return []
    text = (
        f"SESSION_SERIALIZER = {settings.SESSION_SERIALIZER!r}: whoever learns a key could have every "
        "node execute code of theirs."
    )
    hint = 'SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"'
    return [Error(text, hint=hint, id="nothing_shared_sessions.E003")]


def check_cookie(**kwargs: Any) -> list[CheckMessage]:
    if not is_in_use():
        return []
    name, found = settings.SESSION_COOKIE_NAME, []
    if name.startswith(("__Host-", "__Secure-")) and not settings.SESSION_COOKIE_SECURE:
        found.append(_refused(name, "it is not secure", "SESSION_COOKIE_SECURE = True"))
    if name.startswith("__Host-") and settings.SESSION_COOKIE_PATH != "/":
        found.append(_refused(name, "its path is not /", 'SESSION_COOKIE_PATH = "/"'))
    if name.startswith("__Host-") and settings.SESSION_COOKIE_DOMAIN:
        found.append(_refused(name, "it names a domain", "SESSION_COOKIE_DOMAIN = None"))
    if not settings.SESSION_COOKIE_HTTPONLY:
        text = "SESSION_COOKIE_HTTPONLY is off: any script in a page can read the session."
        hint = "SESSION_COOKIE_HTTPONLY = True"
        found.append(Warning(text, hint=hint, id="nothing_shared_sessions.W001"))
    return found


def _refused(name: str, reason: str, hint: str) -> CheckMessage:
    text = f"SESSION_COOKIE_NAME = {name!r}: browsers refuse this cookie, since {reason}."
    return Error(text, hint=hint, id="nothing_shared_sessions.E005")


def check_cookie_in_production(**kwargs: Any) -> list[CheckMessage]:
    if not is_in_use():
        return []
    found: list[CheckMessage] = []
    if not settings.SESSION_COOKIE_SECURE:
        text = "SESSION_COOKIE_SECURE is off: the session travels where anybody can read it."
        hint = "SESSION_COOKIE_SECURE = True"
        found.append(Warning(text, hint=hint, id="nothing_shared_sessions.W001"))
    if not settings.SESSION_COOKIE_NAME.startswith("__Host-"):
        text = (
            f"SESSION_COOKIE_NAME = {settings.SESSION_COOKIE_NAME!r}: any host of the same domain may "
            "set a cookie of this name, and so slip in a session of its own."
        )
        hint = 'SESSION_COOKIE_NAME = "__Host-sessionid"'
        found.append(Warning(text, hint=hint, id="nothing_shared_sessions.W002"))
    return found


def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    if not is_in_use():
        return []
    order = list(settings.MIDDLEWARE)
    hint = f'MIDDLEWARE = […, "{OURS}", …, "{DEPENDENT[0]}", …]'
    if OURS in order and DJANGOS in order:
        text = "MIDDLEWARE has Django's SessionMiddleware and ours: each would undo what the other does."
        return [Error(text, hint=hint, id="nothing_shared_sessions.E006")]
    if OURS not in order:
        if DJANGOS not in order:
            return []
        text = (
            "MIDDLEWARE has Django's SessionMiddleware: login and data share one cookie, and of two "
            "requests at a time the last answer to arrive wins."
        )
        return [Warning(text, hint=hint, id="nothing_shared_sessions.W003")]
    early = [name for name in order[: order.index(OURS)] if name in DEPENDENT]
    return [
        Error(
            f"MIDDLEWARE has {name} before the session that it needs.",
            hint=hint,
            id="nothing_shared_sessions.E006",
        )
        for name in early
    ]


def check_size(**kwargs: Any) -> list[CheckMessage]:
    if not is_in_use() or problems(SETTING, SessionSettings):
        return []
    found: list[CheckMessage] = []
    if settings.MESSAGE_STORAGE.endswith(".SessionStorage"):
        text = (
            "MESSAGE_STORAGE keeps messages in the session, and so in the cookie with all the rest."
        )
        hint = 'MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"'
        found.append(Warning(text, hint=hint, id="nothing_shared_sessions.W004"))
    if settings.CSRF_USE_SESSIONS:
        text = "CSRF_USE_SESSIONS keeps a secret in the session, which is never compressed then."
        hint = "CSRF_USE_SESSIONS = False"
        found.append(Warning(text, hint=hint, id="nothing_shared_sessions.W004"))
    if session_settings().chunks > 1:
        text = (
            f'{SETTING}["CHUNKS"] = {session_settings().chunks}: with the login, up to '
            f"{4 * (session_settings().chunks + 1)} KiB of cookies; gunicorn takes 8190 bytes a header "
            "and nginx 8 KiB, unless told otherwise."
        )
        hint = (
            "gunicorn --limit-request-field_size 16380; nginx: large_client_header_buffers 4 16k;"
        )
        found.append(Warning(text, hint=hint, id="nothing_shared_sessions.W005"))
    return found


def check_user_cache(**kwargs: Any) -> list[CheckMessage]:
    if BACKEND not in settings.AUTHENTICATION_BACKENDS or problems(SETTING, SessionSettings):
        return []
    from nothing_shared.sessions.authentication import observes_reads

    alias = session_settings().user_cache
    kind = str(settings.CACHES.get(alias, {}).get("BACKEND", ""))
    if kind and observes_reads(import_string(kind)):
        return []
    text = (
        f"CachedModelBackend would cache in CACHES[{alias!r}], which is {kind or 'not there'}: only a "
        "MachineCache knows what an entry was read from, so every request asks the database."
    )
    hint = f'CACHES = {{"{alias}": {{"BACKEND": "nothing_shared.cache.backends.MachineCache"}}}}'
    return [Warning(text, hint=hint, id="nothing_shared_sessions.W006")]


def check_table(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    from nothing_shared.sessions.models import Revocation

    alias, table = router.db_for_write(Revocation), Revocation._meta.db_table
    if alias not in (databases or ()) or not is_in_use():
        return []
    if table in connections[alias].introspection.table_names():
        return []
    text = f"The table {table!r} is missing in the database {alias!r}: no session can be judged."
    hint = f"python manage.py migrate nothing_shared_sessions --database {alias}"
    return [Warning(text, hint=hint, id="nothing_shared_sessions.W007")]


def register() -> None:
    for check in (
        check_settings,
        check_keys,
        check_serializer,
        check_cookie,
        check_middleware,
        check_size,
        check_user_cache,
    ):
        register_check(check, TAG)
    register_check(check_cookie_in_production, TAG, deploy=True)
    register_check(check_table, TAG, Tags.database)
