from __future__ import annotations

from django.apps import AppConfig

__all__ = ["NodeConfig"]


class NodeConfig(AppConfig):
    name = "nothing_shared.node"
    label = "nothing_shared_node"
    verbose_name = "Node"

    def ready(self) -> None:
        from nothing_shared.node import checks

        checks.register()
