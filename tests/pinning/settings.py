"""The site of the pinning tests, on this package or on another that also reads from replicas."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

SITE: dict[str, Any] = json.loads(os.environ["PINNING_SITE"])
IMPLEMENTATION = SITE["implementation"]
BASE_DIR = Path(SITE["directory"])
NODE = SITE["node"]

SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.pinning.urls"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "nothing_shared.node",
    "nothing_shared.bus",
    "nothing_shared.causality",
    "nothing_shared.cache",
    "tests.pinning.library",
]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",  # whose Content-Length keeps connections alive
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

PRIMARY: dict[str, Any] = {"CONN_MAX_AGE": SITE.get("conn_max_age"), **SITE["primary"]}
if SITE.get("pool"):
    options = {**PRIMARY.get("OPTIONS", {}), "pool": {"min_size": 1, "max_size": 4}}
    PRIMARY = {**PRIMARY, "OPTIONS": options}
REPLICAS: list[dict[str, Any]] = SITE["replicas"]
DATABASES = {"default": PRIMARY}
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

match IMPLEMENTATION:
    case "ours":
        MIDDLEWARE = ["nothing_shared.causality.middleware.CausalityMiddleware", *MIDDLEWARE]
        engine = {"ENGINE": "nothing_shared.pinning.postgresql", "REPLICAS": REPLICAS}
        DATABASES = {"default": {**PRIMARY, **engine}}
        INSTALLED_APPS = [*INSTALLED_APPS, "nothing_shared.pinning"]
        CACHES["default"] = {"BACKEND": "nothing_shared.cache.backends.MachineCache"}
        if "other" in SITE:
            DATABASES["other"] = {**SITE["other"], "CONN_MAX_AGE": None}
    case "django-multidb-router":
        MIDDLEWARE = ["multidb.middleware.PinningRouterMiddleware", *MIDDLEWARE]
        DATABASE_ROUTERS = ["multidb.PinningReplicaRouter"]
        REPLICA_DATABASES = [f"replica-{number}" for number, _ in enumerate(REPLICAS)]
    case "django_replicated":
        from django_replicated.settings import *  # noqa: F403  (as its documentation says)

        MIDDLEWARE = ["django_replicated.middleware.ReplicationMiddleware", *MIDDLEWARE]
        DATABASE_ROUTERS = ["django_replicated.router.ReplicationRouter"]
        REPLICATED_DATABASE_SLAVES = [f"replica-{number}" for number, _ in enumerate(REPLICAS)]
        REPLICATED_CHECK_STATE_ON_WRITE = False  # else a GET that writes is an error
    case "the primary alone":
        pass
    case unknown:
        raise ValueError(f"no such implementation: {unknown!r}")

if IMPLEMENTATION.startswith("django"):
    apart = {
        f"replica-{number}": {**PRIMARY, **place, "TEST": {"MIRROR": "default"}}
        for number, place in enumerate(REPLICAS)
    }
    DATABASES |= apart

if SITE.get("is_bare"):
    """No cache, no sessions, no bus: a key, the databases, and what pinning needs."""
    MIDDLEWARE = ["nothing_shared.causality.middleware.CausalityMiddleware"]
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    without = {"nothing_shared.bus", "nothing_shared.cache", "django.contrib.sessions"}
    INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in without]

NOTHING_SHARED_NODE = {
    "DIRECTORY": BASE_DIR / f"node-{NODE}",
    "NAME": NODE,
    **SITE.get("node_options", {}),
}
NOTHING_SHARED_BUS: dict[str, Any] = {"LOCATION": BASE_DIR / f"bus-{NODE}"}
if SITE.get("redis"):
    NOTHING_SHARED_BUS = {
        "BACKEND": "nothing_shared.bus.backends.redis.RedisBus",
        "LOCATION": f"redis://127.0.0.1:{SITE['redis']}/0",
    }
