from __future__ import annotations

from django.apps import AppConfig

__all__ = ["BusConfig"]


class BusConfig(AppConfig):
    name = "nothing_shared.bus"
    label = "nothing_shared_bus"
    verbose_name = "Bus"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from nothing_shared.bus import checks, process

        checks.register()
        process.install()
