"""The settings of one node. What differs between nodes comes from the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .directory import default_directory, make_directory, secret_key

DIRECTORY = make_directory(Path(os.environ.get("DEMO_DIRECTORY") or default_directory()))
NODE = os.environ.get("DEMO_NODE") or "node-1"
NODE_PORTS = [int(port) for port in os.environ.get("DEMO_PORTS", "").split(",") if port]
"""Where node-1, node-2, … answer on their own, for the links in the footer."""

SECRET_KEY = secret_key(DIRECTORY)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
DEBUG = False
ROOT_URLCONF = "demo_site.urls"
WSGI_APPLICATION = "demo_site.wsgi.application"

INSTALLED_APPS = [
    "nothing_shared.node",
    "nothing_shared.bus",
    "nothing_shared.causality",
    "nothing_shared.cache",
    "nothing_shared.thumbnails",
    "nothing_shared.sessions",
    "demo_site",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "nothing_shared.causality.middleware.CausalityMiddleware",
    "demo_site.middleware.WitnessMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "nothing_shared.thumbnails.middleware.ThumbnailMiddleware",
    "nothing_shared.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# What makes these processes nodes: a directory of their own, a bus between them, a cache on each.
NOTHING_SHARED_NODE = {"DIRECTORY": DIRECTORY / NODE, "NAME": NODE}
NOTHING_SHARED_BUS = {
    "BACKEND": "nothing_shared.bus.backends.local.LocalBus",
    "LOCATION": DIRECTORY / "bus",
}
CACHES = {
    "default": {
        "BACKEND": "nothing_shared.cache.backends.MachineCache",
        "LOCATION": "default",
        "TIMEOUT": 600,
        "OPTIONS": {"L1_BYTES": 16 * 2**20, "L2_BYTES": 64 * 2**20},
    }
}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DIRECTORY / "demo.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        },
    }
}
if "DEMO_POSTGRES" in os.environ:
    POSTGRES = json.loads(os.environ["DEMO_POSTGRES"])
    INSTALLED_APPS = [*INSTALLED_APPS, "nothing_shared.pinning"]
    DATABASES = {
        "default": {
            "ENGINE": "nothing_shared.pinning.postgresql",
            "NAME": "postgres",
            "USER": "demo",
            "HOST": POSTGRES["host"],
            "PORT": POSTGRES["port"],
            "CONN_MAX_AGE": None,
            "REPLICAS": [{"PORT": port} for port in POSTGRES["replicas"]],
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "demo_site.context_processors.node",
            ]
        },
    }
]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 60
MEDIA_URL = "/media/"
MEDIA_ROOT = DIRECTORY / "media"  # stands in for the object store that all nodes share

# Each node draws what it is asked for, and keeps it. A poster's name has a hash of it, so that the
# address of a thumbnail never means another picture.
NOTHING_SHARED_THUMBNAILS = {
    "SPECS": {"poster": "320x400 cover"},
    "HASHED_NAMES": ["default"],
    "CACHE_BYTES": 32 * 2**20,
}

AUTH_USER_MODEL = "demo_site.User"
AUTHENTICATION_BACKENDS = ["nothing_shared.sessions.authentication.CachedModelBackend"]
SESSION_ENGINE = "nothing_shared.sessions.backends.signed_cookies"
SESSION_COOKIE_NAME = "standing_room"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [  # no HTTPS on the loopback interface
    "security.W004",
    "security.W008",
    "security.W012",
    "security.W016",
    "nothing_shared_thumbnails.W002",  # nor an object store
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"node": {"format": f"{NODE} {{process}} {{name}}: {{message}}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "node"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "ERROR"},
    },
}
