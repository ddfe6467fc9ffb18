"""Changes as messages."""

from __future__ import annotations

from typing import Any

from nothing_shared.node.change import Change, Position
from nothing_shared.node.process import Node

__all__ = ["TOPIC", "payload_of", "take"]

TOPIC = "nothing_shared.change"


def payload_of(change: Change) -> dict[str, Any]:
    payload: dict[str, Any] = {"id": change.id, "slots": change.slots}
    if change.positions:
        payload["positions"] = change.positions
    return payload


def take(node: Node, payload: dict[str, Any]) -> None:
    positions = tuple(
        (slot, Position(*position)) for slot, position in payload.get("positions", ())
    )
    node.apply(Change(tuple(payload["slots"]), payload["id"], positions))
