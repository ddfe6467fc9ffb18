"""Where Django looks for the backend."""

from __future__ import annotations

from django.db.backends.postgresql import base

from nothing_shared.pinning.mixin import PinningMixin

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(PinningMixin, base.DatabaseWrapper):
    pass
