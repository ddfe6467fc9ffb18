"""Tell who has answered the statements of a unit of work."""

from __future__ import annotations

from nothing_shared.causality.scopes import SCOPE

__all__ = ["note", "served"]


def served() -> dict[str, int]:
    """Return how many statements of this request or task each server has answered.

    The primary goes by its alias, ``"default"``, and its replicas by ``"default@0"``, ``"default@1"`` …
    """
    unit = SCOPE.get()
    return dict(unit.reader.served) if unit is not None else {}


def note(server: str) -> None:
    unit = SCOPE.get()
    if unit is not None:
        counts = unit.reader.served
        counts[server] = counts.get(server, 0) + 1
