"""Read what a picture says of itself, before any decoder sees it."""

from __future__ import annotations

from nothing_shared.thumbnails.probing.header import Header
from nothing_shared.thumbnails.probing.probe import examine, probe

__all__ = ["Header", "examine", "probe"]
