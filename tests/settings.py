"""The site that the tests run in: every app, one SQLite database in memory and one beside it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

NAME_OF_DIRECTORY = "NOTHING_SHARED_TESTS_DIRECTORY"
"""Processes that a test starts find the node directory of their test run here."""


def directory_of_this_run() -> Path:
    given = os.environ.get(NAME_OF_DIRECTORY)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if given and given.endswith(worker):
        return Path(given)
    made = tempfile.mkdtemp(prefix="nothing-shared-tests-", suffix=worker)
    os.environ[NAME_OF_DIRECTORY] = made
    atexit.register(remove, Path(made), maker=os.getpid())
    return Path(made)


def remove(directory: Path, *, maker: int) -> None:
    if os.getpid() == maker:  # a forked child runs the exit handlers of its parent too
        shutil.rmtree(directory, ignore_errors=True)


BASE_DIR = directory_of_this_run()

SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "nothing_shared.node",
    "nothing_shared.bus",
    "nothing_shared.causality",
    "nothing_shared.cache",
    "nothing_shared.pinning",
    "nothing_shared.thumbnails",
    "nothing_shared.sessions",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",  # which asks each new connection something
    "tests.causality.shop",
]

MIDDLEWARE = ["nothing_shared.causality.middleware.CausalityMiddleware"]
ROOT_URLCONF = "tests.urls"

DATABASES: dict[str, dict[str, Any]] = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

MEDIA_ROOT = BASE_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "nothing_shared.thumbnails.storages.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

SILENCED_SYSTEM_CHECKS = ["nothing_shared_thumbnails.W002"]  # one machine, and one disk

NOTHING_SHARED_NODE = {"DIRECTORY": str(BASE_DIR / "node")}
