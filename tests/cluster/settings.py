"""The site of the cluster tests: its nodes and database are named by the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

BASE_DIR = Path(os.environ["CLUSTER_DIRECTORY"])
NODE = os.environ.get("CLUSTER_NODE", "a")

SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "nothing_shared.node",
    "nothing_shared.bus",
    "nothing_shared.causality",
    "nothing_shared.cache",
    "tests.cluster.fair",
]
MIDDLEWARE = ["nothing_shared.causality.middleware.CausalityMiddleware"]
ROOT_URLCONF = "tests.cluster.urls"

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
    },
}
if "CLUSTER_DATABASE" in os.environ:
    DATABASES["default"] = json.loads(os.environ["CLUSTER_DATABASE"])

CACHES = {
    "default": {
        "BACKEND": "nothing_shared.cache.backends.MachineCache",
        "OPTIONS": json.loads(os.environ.get("CLUSTER_CACHE_OPTIONS", "{}")),
    },
}

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

NOTHING_SHARED_NODE = {
    "DIRECTORY": BASE_DIR / f"node-{NODE}",
    "NAME": NODE,
    "LEASE": float(os.environ.get("CLUSTER_LEASE", "2")),
    "MAX_STALENESS": float(os.environ.get("CLUSTER_MAX_STALENESS", "5")),
}
if "CLUSTER_SESSIONS" in os.environ:  # people sign in: the site of the session tests
    INSTALLED_APPS += [
        "nothing_shared.sessions",
        "django.contrib.contenttypes",
        "django.contrib.auth",
    ]
    MIDDLEWARE += [
        "nothing_shared.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    AUTHENTICATION_BACKENDS = ["nothing_shared.sessions.authentication.CachedModelBackend"]
    SESSION_ENGINE = "nothing_shared.sessions.backends.signed_cookies"
    NOTHING_SHARED_SESSIONS = json.loads(os.environ["CLUSTER_SESSIONS"])
    NOTHING_SHARED_CAUSALITY = {"TICKETS": "CLUSTER_TICKETS" in os.environ}
    ROOT_URLCONF = "tests.sessions.views"

NOTHING_SHARED_BUS: dict[str, Any] = {"LOCATION": BASE_DIR / "bus"}
if "CLUSTER_BUS" in os.environ:
    NOTHING_SHARED_BUS = json.loads(os.environ["CLUSTER_BUS"])
