"""Execute the code blocks of one page: ``python -m tests.docs_site README.md``."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from tests.docs_site.blocks import LANGUAGES, Block, blocks_of


def main(page: Path) -> None:
    os.environ["NOTHING_SHARED_TESTS_PAGE"] = str(page)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.docs_site.settings"
    names = make_site()
    for block in blocks_of(page):
        try:
            execute(block, page, names)
        except BaseException as failure:
            failure.add_note(f"in the {block.language} block at {page}:{block.line}")
            raise


def make_site() -> dict[str, Any]:
    """Set up Django, let the checks judge the settings, and return the names the blocks share."""
    import django
    from django.core.management import call_command
    from django.test.utils import setup_test_environment
    from django.utils import timezone

    django.setup()
    setup_test_environment()
    call_command("check", fail_level="WARNING", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    from events.models import Event

    event = Event.objects.create(
        title="An evening with others", starts_at=timezone.now(), picture="posters/evening.jpg"
    )
    return {"__name__": "page", "event": event}


def execute(block: Block, page: Path, names: dict[str, Any]) -> None:
    if block.language not in LANGUAGES:
        raise ValueError(f"{block.language!r} is unknown; known: {', '.join(sorted(LANGUAGES))}")
    if block.language == "python" and block.marker != "settings":
        run_python(block, page, names)
    elif block.language == "html+django":
        render(block, names)
    elif block.language in ("sh", "console"):
        from tests.docs_site.console import check_commands

        check_commands(block)


def run_python(block: Block, page: Path, names: dict[str, Any]) -> None:
    """Run a block in the page's namespace, as one unit of work; a block may ``await``."""
    from nothing_shared.causality import scope

    source = "\n" * (block.line - 1) + block.source
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(source, str(page), "exec", flags=flags, dont_inherit=True)
    with scope():
        result = eval(code, names)
        if inspect.iscoroutine(result):
            asyncio.run(result)


def render(block: Block, names: dict[str, Any]) -> None:
    """Render a template with the page's names, and keep it if the block names a file."""
    from django.conf import settings
    from django.template import engines

    if block.marker.startswith("template:"):
        file = settings.TEMPLATE_DIRECTORY / block.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.source, encoding="utf-8")
    engines["django"].from_string(block.source).render(dict(names))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
