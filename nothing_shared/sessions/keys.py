"""The keys of one purpose, each found by the id that a token names."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from itsdangerous import Signer
from itsdangerous.signer import SigningAlgorithm

__all__ = ["Key", "KeyRing", "purpose_of"]

MAC_SIZE = hashlib.sha256().digest_size


def purpose_of(*parts: str) -> bytes:
    """Join the parts of a purpose, each after its length: no two purposes read alike."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(2, "big") + part for part in encoded)


class OneShotHMAC(SigningAlgorithm):
    """itsdangerous' HMAC-SHA256 in one call, which takes half as long."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class Key:
    """A key derived from one of the site's secrets for one purpose: HMAC-SHA256 by itsdangerous."""

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        self.id = int.from_bytes(hashlib.sha256(b"key id\0" + secret).digest()[:2], "big")
        self._algorithm = OneShotHMAC()
        signer = Signer(secret, salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256)
        self.derived = signer.derive_key()

    def mac(self, message: bytes) -> bytes:
        return self._algorithm.get_signature(self.derived, message)

    def is_mac(self, mac: bytes, message: bytes) -> bool:
        """Compare in constant time."""
        return self._algorithm.verify_signature(self.derived, message, mac)


class KeyRing:
    """All keys of a purpose; the newest signs.

    ``secrets`` stand in itsdangerous' order: oldest first, the current one last (Django's own order
    is the other way round).
    """

    def __init__(self, secrets: Sequence[bytes], purpose: bytes, *, make: type[Key] = Key) -> None:
        keys = [make(secret, purpose) for secret in secrets]
        self.newest = keys[-1]
        self.purpose = purpose
        self._by_id: dict[int, list[Key]] = {}
        for key in reversed(keys):
            self._by_id.setdefault(key.id, []).append(key)

    def find(self, id: int) -> Sequence[Key]:
        """Return the keys of this id, nearly always one or none: a stranger's token costs no hash."""
        return self._by_id.get(id, ())
