"""What happens to thumbnails: logging, metrics and the status page are receivers."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["source_changed", "thumbnail_drawn", "thumbnail_refused"]

thumbnail_drawn = Signal()
"""Sent after a drawing, with ``promise``, ``spec``, ``size`` in bytes and ``seconds``."""

thumbnail_refused = Signal()
"""Sent when a source can't be drawn, with ``promise`` and ``error``."""

source_changed = Signal()
"""Sent when a source was replaced or deleted here, with ``storage`` and ``name``."""
