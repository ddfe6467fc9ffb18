from __future__ import annotations

from django.apps import AppConfig

__all__ = ["ThumbnailsConfig"]


class ThumbnailsConfig(AppConfig):
    name = "nothing_shared.thumbnails"
    label = "nothing_shared_thumbnails"
    verbose_name = "Thumbnails"

    def ready(self) -> None:
        from nothing_shared.bus import process as bus
        from nothing_shared.causality import wiring
        from nothing_shared.thumbnails import checks, upkeep

        checks.register()
        bus.install()
        wiring.install()
        upkeep.install()
