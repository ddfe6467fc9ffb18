"""Two databases on PostgreSQL for Django's own tests: on Django's ``ENGINE``, or on ours with a replica."""

from __future__ import annotations

import json
import os
from typing import Any

GIVEN: dict[str, Any] = json.loads(os.environ["DJANGO_SUITE"])

DATABASES: dict[str, dict[str, Any]] = {
    "default": {**GIVEN["database"], "NAME": "postgres"},
    "other": {**GIVEN["database"], "NAME": "postgres", "TEST": {"NAME": "test_other"}},
}
SECRET_KEY = "for tests only, and long enough to pass every check that Django makes of one"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "tests.django_suite.telling.TellingRunner"

NOTHING_SHARED_NODE = {"DIRECTORY": GIVEN["directory"]}
NOTHING_SHARED_BUS = {"LOCATION": f"{GIVEN['directory']}-bus"}
