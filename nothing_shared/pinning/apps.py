from __future__ import annotations

from django.apps import AppConfig

__all__ = ["PinningConfig"]


class PinningConfig(AppConfig):
    name = "nothing_shared.pinning"
    label = "nothing_shared_pinning"
    verbose_name = "Pinning"

    def ready(self) -> None:
        from nothing_shared.bus import process as bus
        from nothing_shared.causality import wiring
        from nothing_shared.pinning import checks, watch

        checks.register()
        bus.install()
        wiring.install()
        watch.install()
