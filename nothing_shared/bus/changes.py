"""Changes as messages."""

from __future__ import annotations

from typing import Any

from nothing_shared.node.change import Change
from nothing_shared.node.positions import UNKNOWN, Position, Reached
from nothing_shared.node.process import Node

__all__ = ["TOPIC", "payload_of", "take"]

TOPIC = "nothing_shared.change"


def payload_of(change: Change) -> dict[str, Any]:
    reached = [(database, *position, *tables) for database, position, tables in change.positions]
    return {"id": change.id, "slots": change.slots, "reached": reached}


def take(node: Node, payload: dict[str, Any]) -> None:
    """Take in a change; one without positions is of a release that knew none, and may be anywhere."""
    if "reached" in payload:
        reached = tuple(_reached(*words) for words in payload["reached"])
    else:
        reached = tuple(Reached(known, UNKNOWN) for known in node.table.positions.databases)
    node.apply(Change(tuple(payload["slots"]), payload["id"], reached))


def _reached(database: int, system: int, timeline: int, lsn: int, *tables: int) -> Reached:
    return Reached(database, Position(system, timeline, lsn), tables)
