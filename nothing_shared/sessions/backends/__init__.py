"""Where Django looks for what ``SESSION_ENGINE`` names."""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

if not apps.is_installed("nothing_shared.sessions"):
    raise ImproperlyConfigured(
        "SESSION_ENGINE names an engine that knows who was signed out only with its app: add "
        '"nothing_shared.sessions" to INSTALLED_APPS.'
    )
