from __future__ import annotations

from django.apps import AppConfig


class FairConfig(AppConfig):
    name = "tests.cluster.fair"
    label = "fair"
