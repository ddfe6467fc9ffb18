"""What every worker of a test is forked from: Django, set up, and nothing of a node opened yet."""

from __future__ import annotations

import os

import django
import pytest  # noqa: F401 what workers run stands in modules of tests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()
