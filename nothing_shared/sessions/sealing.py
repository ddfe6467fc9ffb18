"""Seals: what a session holds, hidden from its own bearer.

AES-256-GCM under a key per session, so that the bound of 2**32 messages a key, which random nonces
have, is never near (NIST SP 800-38D). The header stays readable, and is authenticated with the rest.
"""

from __future__ import annotations

import os
from typing import Any

from nothing_shared.sessions.errors import BadToken
from nothing_shared.sessions.keys import Key

__all__ = ["MISSING", "is_available", "seal", "unseal"]

NONCE = 12
BLOCK = 32
"""The length of what is sealed is rounded up to so many bytes."""

MISSING = "sealed sessions need cryptography: pip install 'nothing-shared[sealed]'"


def is_available() -> bool:
    try:
        _engine()
    except ImportError:
        return False
    return True


def _engine() -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM, HKDF, SHA256


def _cipher(key: Key, sid: bytes, purpose: bytes) -> Any:
    aes, hkdf, sha256 = _engine()
    return aes(hkdf(sha256(), 32, sid, b"seal" + purpose).derive(key.derived))


def seal(key: Key, sid: bytes, purpose: bytes, header: bytes, body: bytes) -> bytes:
    """Return the body sealed; raises ImportError that names the extra."""
    framed = len(body).to_bytes(3, "big") + body
    nonce = os.urandom(NONCE)
    padded = framed + bytes(-len(framed) % BLOCK)
    try:
        cipher = _cipher(key, sid, purpose)
    except ImportError as failure:
        raise ImportError(MISSING) from failure
    sealed: bytes = cipher.encrypt(nonce, padded, header)
    return nonce + sealed


def unseal(key: Key, sid: bytes, purpose: bytes, header: bytes, sealed: bytes) -> bytes:
    """Return the body; raises BadToken, also where ``cryptography`` is missing."""
    try:
        padded: bytes = _cipher(key, sid, purpose).decrypt(sealed[:NONCE], sealed[NONCE:], header)
    except ImportError as failure:
        raise BadToken(MISSING) from failure
    except Exception as failure:  # InvalidTag, and ValueError of what is too short
        raise BadToken("not sealed by this site") from failure
    length = int.from_bytes(padded[:3], "big")
    return padded[3 : 3 + length]
