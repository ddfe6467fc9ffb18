"""Write what docs tell of the code from the code: ``python -m tests.reference``."""

from __future__ import annotations

import ast
import dataclasses
import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from django.apps import apps

from nothing_shared.conf import Option, options

__all__ = ["pages"]

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

SETTINGS = """\
# Settings

Every key is optional. All are read at each access, so `override_settings` works in tests. An
unknown key or a value that is not allowed is an error, in `manage.py check` and at construction.
"""

DJANGOS_NAMES = {"apps.py", "checks.py", "conf.py", "signals.py"}
FLOORS = {
    "": 0,
    "node": 1,
    "bus": 2,
    "causality": 2,
    "cache": 3,
    "sessions": 3,
    "thumbnails": 3,
    "pinning": 3,
}

HEAD = "| key | default | allowed | what it is |\n| --- | --- | --- | --- |\n"

CHECKS = """\
# Checks

`manage.py check --tag nothing_shared` runs them; with `--deploy` also those that only matter in
production. An `E` is an error and stops the start of commands, a `W` is a warning. Each comes with
a hint that can be pasted.

| id | what it says |
| --- | --- |
"""


def pages() -> dict[Path, str]:
    """Return each generated page as it should be now."""
    return {
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "reference" / "checks.md": checks_page(),
        DOCS / "architecture.md": architecture_page(),
    }


def settings_page() -> str:
    return SETTINGS + "".join(section(module) for module in modules("conf"))


def section(module: ModuleType) -> str:
    """Describe each settings dataclass that an app's ``conf`` exports."""
    schemas = [getattr(module, name) for name in module.__all__]
    return "".join(
        f"\n## {title(module)}\n\n{HEAD}" + "".join(map(row, options(schema)))
        for schema in schemas
        if isinstance(schema, type) and dataclasses.is_dataclass(schema)
    )


def title(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0].rstrip(".").replace("``", "`")


def row(known: Option) -> str:
    cells = (f"`{known.key}`", f"`{known.default_text}`", known.allowed, known.doc)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def checks_page() -> str:
    known = [item for module in modules("checks") for item in module.CHECKS.items()]
    return CHECKS + "".join(f"| `{name}` | {text} |\n" for name, text in known)


def architecture_page() -> str:
    """Return the page with a fresh table of modules between its two marks."""
    old = (DOCS / "architecture.md").read_text(encoding="utf-8")
    before, begin, rest = old.partition("<!-- modules -->\n")
    _, end, after = rest.partition("<!-- /modules -->\n")
    head = "\n| layer | file | responsibility |\n| --- | --- | --- |\n"
    return "".join((before, begin, head, *module_rows(), "\n", end, after))


def module_rows() -> Iterator[str]:
    """Yield a row for each module that has a docstring: its first paragraph."""
    package = ROOT / "nothing_shared"
    files = (file.relative_to(package) for file in package.rglob("*.py"))
    for floor, file in sorted((floor_of(file), file) for file in files):
        doc = ast.get_docstring(ast.parse((package / file).read_text(encoding="utf-8")))
        if doc and not (floor[2:] and file.name in DJANGOS_NAMES):
            first = doc.partition("\n\n")[0].replace("\n", " ").replace("``", "`")
            yield f"| {floor} | [`{file}`](../nothing_shared/{file}) | {first} |\n"


def floor_of(file: Path) -> str:
    app = file.parts[0] if len(file.parts) > 1 else ""
    return f"{FLOORS[app]} {app}".strip()


def modules(name: str) -> Iterator[ModuleType]:
    """Import the module of this name of every app of ours that has one, as installed."""
    for config in apps.get_app_configs():
        if config.name.startswith("nothing_shared.") and find_spec(f"{config.name}.{name}"):
            yield import_module(f"{config.name}.{name}")


if __name__ == "__main__":
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
