"""What a node knows of a thumbnail that it has drawn, or of why there is none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any

__all__ = ["Entry", "digest", "key_of"]

LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One thumbnail on this node's disk, or a refusal: then ``status`` and ``reason`` say which.

    ``begun`` is when what it was made from was begun to be read, or last found unchanged, in nanoseconds
    since boot, as the change table ``table`` counts; ``source`` is what the storage said of the source
    then. ``until`` is when a refusal is forgotten. ``etag`` is a digest of the file.
    """

    table: int
    begun: int
    source: str
    file: str = ""
    size: int = 0
    etag: str = ""
    content_type: str = ""
    width: int = 0
    height: int = 0
    modified: int = 0
    status: int = 200
    reason: str = ""
    until: int = 0

    @property
    def is_refusal(self) -> bool:
        return self.status != 200

    def renewed(self, table: int, begun: int, source: str) -> Entry:
        """Return it as one whose source was found unchanged."""
        return replace(self, table=table, begun=begun, source=source)

    def encode(self) -> bytes:
        return json.dumps({"layout": LAYOUT, **asdict(self)}, separators=(",", ":")).encode()

    @staticmethod
    def decode(record: bytes) -> Entry | None:
        """Return what :meth:`encode` wrote; None for anything else."""
        return _decode(record)


@lru_cache(maxsize=4096)
def _decode(record: bytes) -> Entry | None:
    try:
        known: dict[str, Any] = json.loads(record)
        return Entry(**known) if known.pop("layout") == LAYOUT else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=12).hexdigest()


def key_of(*parts: str) -> str:
    """Hash what makes a thumbnail: 32 letters, the same on every node."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
