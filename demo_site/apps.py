from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo_site"
    verbose_name = "Standing Room"
    default_auto_field = "django.db.models.BigAutoField"
