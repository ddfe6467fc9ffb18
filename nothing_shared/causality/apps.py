from __future__ import annotations

from django.apps import AppConfig

__all__ = ["CausalityConfig"]


class CausalityConfig(AppConfig):
    name = "nothing_shared.causality"
    label = "nothing_shared_causality"
    verbose_name = "Causality"

    def ready(self) -> None:
        from nothing_shared.causality import checks, wiring

        checks.register()
        wiring.install()
