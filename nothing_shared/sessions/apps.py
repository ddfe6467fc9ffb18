from __future__ import annotations

from django.apps import AppConfig

__all__ = ["SessionsConfig"]


class SessionsConfig(AppConfig):
    name = "nothing_shared.sessions"
    label = "nothing_shared_sessions"
    verbose_name = "Sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from nothing_shared.bus import process as bus
        from nothing_shared.causality import wiring
        from nothing_shared.sessions import checks, upkeep

        checks.register()
        bus.install()
        wiring.install()
        upkeep.install()
