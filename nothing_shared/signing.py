"""Signatures over what leaves this process: tickets, bus messages, and later sessions and URLs."""

from __future__ import annotations

import copy
import hashlib
from binascii import b2a_base64
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import force_bytes
from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import want_bytes
from itsdangerous.signer import SigningAlgorithm

__all__ = ["BadSignature", "secret_keys", "signer"]


class ShortMAC(SigningAlgorithm):
    """Keyed BLAKE2b (RFC 7693) of 96 bits, 16 letters: what stands in an address has to be short.

    A forger has one chance in 2**96 per request, and no way to try without asking. It takes a tenth of
    the time of OpenSSL's HMAC, and a page has many addresses.
    """

    SIZE = 12

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hashlib.blake2b(value, key=key, digest_size=self.SIZE).digest()


URL_SAFE = bytes.maketrans(b"+/", b"-_")


class DerivedOnceSigner(Signer):
    """An itsdangerous ``Signer`` that derives each key once, and takes the short way where it may.

    Its signatures are the same, and it accepts the same.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._derived: dict[str | bytes | None, bytes] = {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        found = self._derived.get(secret_key)
        if found is None:
            found = self._derived[secret_key] = super().derive_key(secret_key)
        return found

    def get_signature(self, value: str | bytes) -> bytes:
        signature = self.algorithm.get_signature(self.derive_key(), want_bytes(value))
        return b2a_base64(signature, newline=False).translate(URL_SAFE, b"=")

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        if compare_digest(want_bytes(sig), self.get_signature(value)):
            return True
        return super().verify_signature(value, sig)  # of an older key, or written otherwise


def _signer(keys: tuple[str | bytes, ...], salt: str, is_short: bool) -> Signer:
    return DerivedOnceSigner(
        [force_bytes(key) for key in keys],
        salt=salt,
        key_derivation="hmac",
        digest_method=hashlib.sha256,
        algorithm=ShortMAC() if is_short else None,
    )


def secret_keys() -> tuple[bytes, ...]:
    """Return the site's keys in itsdangerous' order: the oldest fallback first, SECRET_KEY last."""
    return _keys(settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS)


def _keys(key: str | bytes, fallbacks: object) -> tuple[bytes, ...]:
    if not isinstance(fallbacks, (list, tuple)):  # each letter of a text would be a key
        kind = type(fallbacks).__name__
        raise ImproperlyConfigured(
            f"SECRET_KEY_FALLBACKS is of type {kind}; allowed: a list of keys, [old_key]."
        )
    newest = key.encode() if type(key) is str else force_bytes(key)
    return (*map(force_bytes, reversed(fallbacks)), newest) if fallbacks else (newest,)


def signer(
    purpose: str, *, is_short: bool = False, former_keys: tuple[str | bytes, ...] = ()
) -> Signer:
    """Return the signer for one purpose: HMAC-SHA256 under ``SECRET_KEY``, or 96 bits of BLAKE2b.

    Whatever ``SECRET_KEY_FALLBACKS`` signed is accepted, so keys rotate on a rolling deploy, and so is
    what ``former_keys`` signed. The purpose is part of the derived key: a signature made for one purpose
    is void for another.
    """
    key, fallbacks = settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS
    asked = (purpose, is_short, former_keys)
    last = _last_made.get(asked)
    if last is not None and last[0] is key and last[1] == fallbacks:
        return last[2]
    made = _signer((*former_keys, *_keys(key, fallbacks)), f"nothing_shared.{purpose}", is_short)
    _last_made[asked] = key, copy.copy(fallbacks), made
    return made


_last_made: dict[tuple[str, bool, tuple[str | bytes, ...]], tuple[object, object, Signer]] = {}
"""Of each purpose, and the SECRET_KEY and SECRET_KEY_FALLBACKS of that moment."""
