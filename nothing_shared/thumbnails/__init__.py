"""Thumbnails on demand: a URL is a promise that any node can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nothing_shared.thumbnails.changes import forget
    from nothing_shared.thumbnails.drawing import Drawn, draw
    from nothing_shared.thumbnails.errors import ThumbnailError
    from nothing_shared.thumbnails.limits import Limits
    from nothing_shared.thumbnails.linking import thumbnail_url
    from nothing_shared.thumbnails.specs import BadSpec, Spec

__all__ = [
    "BadSpec",
    "Drawn",
    "Limits",
    "Spec",
    "ThumbnailError",
    "draw",
    "forget",
    "thumbnail_url",
]

_HOMES = {
    "BadSpec": "specs",
    "Drawn": "drawing",
    "Limits": "limits",
    "Spec": "specs",
    "ThumbnailError": "errors",
    "draw": "drawing",
    "forget": "changes",
    "thumbnail_url": "linking",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: this package is imported before models can be."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
