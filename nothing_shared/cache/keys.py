"""Which keys every cache takes."""

from __future__ import annotations

import re

__all__ = ["is_portable"]

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")
_LONGEST = 250


def is_portable(name: str) -> bool:
    """Say whether memcached would take the key, which Django warns of where it wouldn't."""
    return len(name) <= _LONGEST and not _FORBIDDEN.search(name)
