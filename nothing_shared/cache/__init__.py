"""Caches on the node's own machine that forget what changed anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nothing_shared.cache.decorators import cached
    from nothing_shared.cache.names import invalidate
    from nothing_shared.cache.pages import cached_page
    from nothing_shared.cache.tracing import Outcome, trace

__all__ = ["Outcome", "cached", "cached_page", "invalidate", "trace"]

_HOMES = {
    "Outcome": "tracing",
    "cached": "decorators",
    "cached_page": "pages",
    "invalidate": "names",
    "trace": "tracing",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: this package is imported before models can be."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
