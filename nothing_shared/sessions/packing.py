"""What a session holds, as few bytes: Django's own keys are numbered, its hash is raw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nothing_shared.sessions.errors import BadToken

__all__ = ["LOGIN_KEYS", "USER", "biggest_keys", "pack", "split", "unpack"]

USER, BACKEND, HASH = "_auth_user_id", "_auth_user_backend", "_auth_user_hash"
LOGIN_KEYS = frozenset({USER, BACKEND, HASH, "_session_expiry"})
"""What belongs to a login, and so never into the cookie of the data."""

BACKENDS = (
    "",
    "django.contrib.auth.backends.ModelBackend",
    "nothing_shared.sessions.authentication.CachedModelBackend",
    "django.contrib.auth.backends.AllowAllUsersModelBackend",
    "django.contrib.auth.backends.RemoteUserBackend",
    "django.contrib.auth.backends.AllowAllUsersRemoteUserBackend",
)
"""Numbered by their place, which is for ever; 0 is any other, in full."""

NUMBERED = {
    USER: "~1",
    BACKEND: "~2",
    HASH: "~3",
    "_session_expiry": "~4",
    "_csrftoken": "~5",
    "_messages": "~6",
    "_password_reset_token": "~7",
    "_language": "~8",
    "testcookie": "~9",
}
NAMED = {number: name for name, number in NUMBERED.items()}

Dump = Callable[[Any], bytes]
Load = Callable[[bytes], Any]


def split(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part a session into login and data; without a user, all of it is data."""
    if USER not in content:
        return {}, dict(content)
    login = {key: value for key, value in content.items() if key in LOGIN_KEYS}
    return login, {key: value for key, value in content.items() if key not in LOGIN_KEYS}


def pack(content: Mapping[str, Any], dump: Dump) -> bytes:
    """Return a session as bytes; what the serializer does to values, it does here."""
    head = _login(content)
    rest = {
        _numbered(key): value
        for key, value in content.items()
        if not (head and key in (USER, BACKEND, HASH))
    }
    return (head or b"\0") + (dump(rest) if rest else b"")


def _login(content: Mapping[str, Any]) -> bytes:
    user, backend, hash = content.get(USER), content.get(BACKEND), content.get(HASH)
    if not (type(user) is type(backend) is type(hash) is str):
        return b""
    number = BACKENDS.index(backend) if backend in BACKENDS[1:] else 0
    named = bytes([number]) if number else b"\0" + _text(backend)
    return b"\1" + named + _text(user) + _hash(hash)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) < 255:
        return bytes([len(encoded)]) + encoded
    return b"\xff" + len(encoded).to_bytes(4, "big") + encoded


def _hash(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if 0 < len(raw) < 256 and raw.hex() == text:
        return bytes([len(raw)]) + raw
    return b"\0" + _text(text)


def _numbered(key: Any) -> Any:
    if not isinstance(key, str):
        return key
    return NUMBERED.get(key) or (f"~{key}" if key.startswith("~") else key)


def unpack(packed: bytes, load: Load) -> dict[str, Any]:
    """Return what :func:`pack` packed; raises BadToken or what the serializer raises."""
    try:
        content, at = _login_in(packed) if packed[0] else ({}, 1)
    except IndexError:
        raise BadToken("cut short") from None
    if at < len(packed):
        for key, value in load(packed[at:]).items():
            content[_named(key)] = value
    return content


def _login_in(packed: bytes) -> tuple[dict[str, Any], int]:
    """Read the login that stands first, and say where it ends."""
    number, at = packed[1], 2
    if number >= len(BACKENDS):
        raise BadToken("a login through a backend of another release")
    backend = BACKENDS[number]
    if not number:
        backend, at = _text_at(packed, at)
    user, at = _text_at(packed, at)
    end = at + 1 + packed[at]
    if end == at + 1:
        hash, end = _text_at(packed, end)
    else:
        hash = packed[at + 1 : end].hex()
    if end > len(packed):
        raise BadToken("cut short")
    return {USER: user, BACKEND: backend, HASH: hash}, end


def _text_at(packed: bytes, at: int) -> tuple[str, int]:
    length, at = packed[at], at + 1
    if length == 255:
        length, at = int.from_bytes(packed[at : at + 4], "big"), at + 4
    return packed[at : at + length].decode("utf-8", "surrogatepass"), at + length


def _named(key: Any) -> Any:
    if type(key) is not str or not key.startswith("~"):
        return key
    return NAMED.get(key) or key[1:]


def biggest_keys(content: Mapping[str, Any], dump: Dump) -> list[tuple[str, int]]:
    """Return the three keys whose values take most bytes, and how many."""
    sizes = [(str(key), len(dump({"": value})) - 5) for key, value in content.items()]
    return sorted(sizes, key=lambda size: -size[1])[:3]
