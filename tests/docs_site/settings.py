"""The common settings, then the blocks of the page that are marked ``<!-- settings -->``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.docs_site.blocks import blocks_of
from tests.settings import *  # noqa: F403
from tests.settings import BASE_DIR, INSTALLED_APPS, TEMPLATES

PAGE = Path(os.environ["NOTHING_SHARED_TESTS_PAGE"])
TEMPLATE_DIRECTORY = BASE_DIR / "templates"

sys.path.append(str(Path(__file__).parent))  # the app is called `events`, as a reader's would be

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if not app.startswith("tests.")), "events"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "docs.sqlite3"}}
TEMPLATES = [{**TEMPLATES[0], "DIRS": [TEMPLATE_DIRECTORY]}]
CACHES = {"default": {"BACKEND": "nothing_shared.cache.backends.MachineCache"}}
NOTHING_SHARED_NODE = {"DIRECTORY": BASE_DIR / "node"}


def with_the_rest(value: Any, already: Any) -> Any:
    """Read ``[..., "x"]`` as a reader does: what is there already, and "x"."""
    if not isinstance(value, list) or ... not in value:
        return value
    at = value.index(...)
    others = [item for item in already if item not in value]
    return [*value[:at], *others, *value[at + 1 :]]


for _block in blocks_of(PAGE):
    if _block.marker == "settings":
        _written = {"BASE_DIR": BASE_DIR}
        exec(compile("\n" * (_block.line - 1) + _block.source, str(PAGE), "exec"), _written)
        for _name, _value in _written.items():
            if _name.isupper():
                globals()[_name] = with_the_rest(_value, globals().get(_name))
