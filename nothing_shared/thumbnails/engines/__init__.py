"""Engines: what decodes, scales and encodes."""

from __future__ import annotations

import importlib
from functools import lru_cache

from nothing_shared.thumbnails.engines.base import Engine

__all__ = ["ENGINES", "engine_named"]

ENGINES = {
    "pillow": ("nothing_shared.thumbnails.engines.pillow", "PillowEngine"),
    "vips": ("nothing_shared.thumbnails.engines.vips", "VipsEngine"),
}


@lru_cache(maxsize=8)
def engine_named(name: str) -> Engine:
    """Return the engine of this name; its library is imported now, not before."""
    if name not in ENGINES:
        raise LookupError(f"there is no engine {name!r}; allowed: {', '.join(ENGINES)}.")
    module, kind = ENGINES[name]
    engine: Engine = getattr(importlib.import_module(module), kind)()
    return engine
