"""The site of the cluster's tests with originals and derived files in S3: nothing else is shared."""

from __future__ import annotations

import json
import os
from typing import Any

from botocore.config import Config

from tests.cluster.settings import *  # noqa: F403
from tests.cluster.settings import BASE_DIR, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "nothing_shared.thumbnails"]
ROOT_URLCONF = "tests.thumbnails.site_urls"

SILENCE = float(os.environ.get("SITE_S3_SILENCE", "30"))
_S3: dict[str, Any] = {
    **json.loads(os.environ.get("SITE_S3", "{}")),
    "client_config": Config(
        connect_timeout=SILENCE, read_timeout=SILENCE, retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
    ),
}  # fmt: skip

STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "nothing_shared.thumbnails.s3.S3Storage",
        "OPTIONS": {**_S3, "bucket_name": "originals", "file_overwrite": True},
    },
    "derived": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {**_S3, "bucket_name": "derived"},
    },
}
if "SITE_S3" not in os.environ:
    STORAGES["default"] = {
        "BACKEND": "nothing_shared.thumbnails.storages.FileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "media", "allow_overwrite": True},
    }

NOTHING_SHARED_THUMBNAILS: dict[str, Any] = json.loads(os.environ.get("SITE_THUMBNAILS", "{}"))
