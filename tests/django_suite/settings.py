"""The site in which Django's cache tests run: the common one plus their app, ``cache``."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import BASE_DIR, INSTALLED_APPS

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if not app.startswith("tests.")), "cache"]

MACHINE_CACHE = {
    "BACKEND": "nothing_shared.cache.backends.MachineCache",
    "OPTIONS": {"L1_BYTES": 8 * 2**20, "L2_BYTES": 32 * 2**20},
}
THROUGH_ASYNC = {**MACHINE_CACHE, "BACKEND": "tests.django_suite.through_async.ThroughAsync"}

CACHES = {"default": MACHINE_CACHE}

# As in the settings that Django's tests run under; the cache keys of pages depend on them.
LANGUAGE_CODE = "en"
USE_TZ = False

NOTHING_SHARED_NODE = {"DIRECTORY": str(BASE_DIR / "django-suite")}
