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
NOTHING_SHARED_BUS: dict[str, Any] = {"LOCATION": BASE_DIR / "bus"}
if "CLUSTER_BUS" in os.environ:
    NOTHING_SHARED_BUS = json.loads(os.environ["CLUSTER_BUS"])
