"""The roster: which nodes a bus between machines has to hear."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

__all__ = ["Member"]


class Member(models.Model):
    """A node that writes, and so must be heard by all others before they believe their caches."""

    namespace = models.CharField(max_length=64)
    origin = models.CharField(max_length=16)
    """The id of its change table, in hexadecimal digits."""
    name = models.CharField(max_length=255)
    lease = models.FloatField()
    """Seconds."""
    beat = models.BigIntegerField(default=0)
    """Counts up while the node lives: no clock of the database's takes part."""
    sequence = models.BigIntegerField(default=0)
    """The number that its messages have reached."""
    is_away = models.BooleanField(default=False)
    """Whether it has said goodbye."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["namespace", "origin"], name="nothing_shared_bus_one_seat_per_node"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.origin})"
