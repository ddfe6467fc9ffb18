"""The roster: which nodes a bus between machines has to hear. And the tables of PostgresBus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

__all__ = ["Group", "Member", "OutboxRow", "TransactionId", "Watermark"]


if TYPE_CHECKING:
    BigIntegerField = models.BigIntegerField[int, int]
else:
    BigIntegerField = models.BigIntegerField


class TransactionId(BigIntegerField):
    """A PostgreSQL ``xid8``; by default, of the transaction that inserts the row."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor == "postgresql":
            return "xid8 DEFAULT pg_current_xact_id()"
        return super().db_type(connection)

    def cast_db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "xid8" if connection.vendor == "postgresql" else super().cast_db_type(connection)


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


class OutboxRow(models.Model):
    """A message of ``PostgresBus``, which exists if and only if its transaction committed."""

    xid = TransactionId()
    namespace = models.CharField(max_length=64)
    topic = models.TextField()
    packet = models.BinaryField()
    created = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "nothing_shared_bus_outbox"
        indexes: ClassVar = [
            models.Index(fields=["namespace", "xid", "id"], name="nothing_shared_bus_outbox_xid")
        ]

    def __str__(self) -> str:
        return f"{self.topic} ({self.pk})"


class Watermark(models.Model):
    """That at a time all transactions before one had ended: what is older may be trimmed later."""

    namespace = models.CharField(max_length=64)
    xid = TransactionId()
    taken = models.DateTimeField(db_default=Now())
    is_trimmed = models.BooleanField(default=False)
    """Whether rows before it may be gone, so that no node reads on from there."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["namespace", "taken"], name="nothing_shared_bus_mark_taken")
        ]

    def __str__(self) -> str:
        return f"{self.xid} at {self.taken}"


class Group(models.Model):
    """How far the members of a group have worked on a topic."""

    namespace = models.CharField(max_length=64)
    topic = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    progress = models.TextField()
    stored = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["namespace", "topic", "name"], name="nothing_shared_bus_one_row_per_group"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.topic}"
