from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nothing_shared"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return ran.stdout + ran.stderr if ran.returncode else ""


def test_imports_point_down_and_what_thinks_imports_no_django() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_code_is_linted_and_formatted() -> None:
    assert not run("ruff", "check", "--no-cache", ".")
    assert not run("ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.slow
def test_the_types_hold_in_strict_mode() -> None:
    assert not run("mypy")


def test_no_file_has_more_than_one_responsibility() -> None:
    long = {
        str(module.relative_to(ROOT)): length
        for module in [*MODULES, *(ROOT / "demo_site").rglob("*.py")]
        if (length := len(module.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long


def test_no_file_has_a_name_that_says_nothing() -> None:
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py", "util.py"}
    assert not [module for module in MODULES if module.name in nameless]


def test_every_public_name_is_there() -> None:
    """Also that each module can be imported by itself, whatever was imported before."""
    for module in MODULES:
        name = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for public in getattr(__import__(name, fromlist=["__all__"]), "__all__", ()):
            assert hasattr(sys.modules[name], public), f"{name} has no {public}"


def test_the_wheel_has_the_package_and_nothing_else() -> None:
    targets = PROJECT["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == ["nothing_shared"]
    assert (PACKAGE / "py.typed").exists()


def test_no_test_sleeps() -> None:
    """``wait_until`` is the one place that does."""
    sleeping = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "tests").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\btime\.sleep\(|asyncio\.sleep\([0-9.]*[1-9]", line)
    ]
    assert not sleeping
