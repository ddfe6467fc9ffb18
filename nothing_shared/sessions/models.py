"""The one table: who was signed out, for as long as a cookie of theirs could still be shown."""

from __future__ import annotations

from django.db import models

__all__ = ["Revocation"]


class Revocation(models.Model):
    """One session, all of a user's, or all there are."""

    name = models.CharField(max_length=255, primary_key=True)
    """``session:<id>``, ``user:<key>`` or ``everyone``."""
    generation = models.BigIntegerField(default=0)
    """Sessions of an older generation have ended; one session, by its id, has whatever this says."""
    spared = models.CharField(max_length=32, blank=True)
    """The id of the one session that goes on."""
    expires = models.BigIntegerField(db_index=True)
    """When no cookie of theirs counts any more, in seconds since 1970."""

    def __str__(self) -> str:
        return self.name
