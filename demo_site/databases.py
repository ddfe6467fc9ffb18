"""Which database servers answered, where there are several."""

from __future__ import annotations

from django.db import connection

from nothing_shared.pinning import served

__all__ = ["answered"]


def answered() -> list[tuple[str, int]]:
    """Return how many queries of this request each server has answered up to now; none on SQLite."""
    if not getattr(connection, "has_replicas", False):
        return []
    return [(server_name(alias), count) for alias, count in sorted(served().items())]


def server_name(alias: str) -> str:
    """``default`` is the primary, ``default@0`` the first of its replicas."""
    _, is_replica, number = alias.partition("@")
    return f"replica {int(number) + 1}" if is_replica else "primary"
