"""What mypy reads the models and settings from: the demo's site, in a directory of the tests."""

from __future__ import annotations

import os

from tests.settings import BASE_DIR

os.environ["DEMO_DIRECTORY"] = str(BASE_DIR / "typing")

from demo_site.settings import *  # noqa: F403
