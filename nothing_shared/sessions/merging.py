"""Two requests that changed one session at a time: what each of them changed stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["merged"]


def merged(
    base: Mapping[str, Any], mine: Mapping[str, Any], newer: Mapping[str, Any]
) -> dict[str, Any]:
    """Apply what one request changed, from ``base`` to ``mine``, to what another made meanwhile.

    Key by key: where both changed the same key, this one wins.
    """
    result = dict(newer)
    for key in base.keys() - mine.keys():
        result.pop(key, None)
    mine_alone = {
        key: value for key, value in mine.items() if key not in base or base[key] != value
    }
    return {**result, **mine_alone}
