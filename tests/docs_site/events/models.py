from __future__ import annotations

from django.db import models


class Event(models.Model):
    title = models.CharField(max_length=80)
    starts_at = models.DateTimeField()
    capacity = models.PositiveIntegerField(default=100)
    sold = models.PositiveIntegerField(default=0)
    picture = models.ImageField(upload_to="posters", blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["starts_at"]

    def __str__(self) -> str:
        return self.title


class Ticket(models.Model):
    event = models.ForeignKey(Event, models.CASCADE, related_name="tickets")
    holder = models.CharField(max_length=80)

    def __str__(self) -> str:
        return f"{self.event}: {self.holder}"
