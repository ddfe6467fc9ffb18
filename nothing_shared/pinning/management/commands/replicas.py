"""`manage.py replicas`: show how far each server of each database has got."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections
from django.db.utils import Error

from nothing_shared.node.positions import UNKNOWN, Position
from nothing_shared.pinning.mixin import PinningMixin
from nothing_shared.pinning.replica import Replica

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Show how far the primary and the replicas of each database have got."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        found = [one for one in connections.all() if isinstance(one, PinningMixin) and one.fleet]
        if not found:
            self.stdout.write("No database has REPLICAS.")
        for connection in found:
            self._show(connection)
            connection.close()

    def _show(self, connection: PinningMixin) -> None:
        assert connection.fleet is not None
        primary = connection.look()
        self._line(connection.alias, "away" if primary == UNKNOWN else where(primary))
        for replica in connection.fleet.replicas:
            self._line(f"  {replica.alias}", self._of(replica, primary))

    def _of(self, replica: Replica, primary: Position) -> str:
        try:
            position = replica.ask() if replica.open() else None
        except Error:
            position = None
        if position is None:
            return "away"
        return f"{where(position)}  {lag(position, primary)}"

    def _line(self, name: str, text: str) -> None:
        self.stdout.write(f"{name:<24} {text}")


def where(position: Position) -> str:
    high, low = divmod(position.lsn, 2**32)
    return f"timeline {position.timeline}  {high:X}/{low:X}"


def lag(position: Position, primary: Position) -> str:
    if primary == UNKNOWN:
        return ""
    if position.system != primary.system:
        return "of another database system"
    if position.timeline != primary.timeline:
        return "on another timeline"
    behind = primary.lsn - position.lsn
    return "caught up" if behind <= 0 else f"{behind} bytes behind"
