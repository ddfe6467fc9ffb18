from __future__ import annotations

from django.apps import AppConfig
from django.utils.safestring import SafeString

__all__ = ["CacheConfig"]


class CacheConfig(AppConfig):
    name = "nothing_shared.cache"
    label = "nothing_shared_cache"
    verbose_name = "Cache"

    def ready(self) -> None:
        from nothing_shared.bus import process as bus
        from nothing_shared.cache import checks, upkeep
        from nothing_shared.cache.entry import register_text
        from nothing_shared.causality import wiring

        checks.register()
        bus.install()
        wiring.install()
        upkeep.install()
        register_text(SafeString, code=16)
