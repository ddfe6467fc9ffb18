"""The commands in README and docs: do they exist, and take these arguments?"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from django.core.management import call_command, get_commands, load_command_class

from tests.docs_site.blocks import Block

__all__ = ["check_commands"]

ROOT = Path(__file__).parents[2]
ENDLESS = {"bus_listen", "node_agent", "runserver"}
"""Commands that run until stopped: their arguments are parsed; other tests run them."""


def check_commands(block: Block) -> None:
    """Check every line of ``sh``, and those of ``console`` that begin with ``$``."""
    prompt = "$ " if block.language == "console" else ""
    for line in block.source.replace("\\\n", " ").splitlines():
        if line.startswith(prompt):
            for words in split(line.removeprefix(prompt)):
                check_command(words)


def split(line: str) -> Iterator[list[str]]:
    """Split at ``&&`` and leave out what is set for one command: ``NODE=1 gunicorn``."""
    for command in line.split("&&"):
        words = shlex.split(command, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        yield [word for word in words if word != "&"]


def check_command(words: list[str]) -> None:
    program = Path(words[0]).name
    if program in ("python", "python3"):
        run_python(words[1:])
    elif program in PROGRAMS:
        PROGRAMS[program](words[1:])
    else:
        raise AssertionError(f"{words[0]!r} is no program that the docs may ask for.")


def run_python(words: list[str]) -> None:
    if words[0] == "manage.py":
        manage(words[1:])
    elif words[0] == "-m" and words[1] in PROGRAMS:
        PROGRAMS[words[1]](words[2:])
    else:
        raise AssertionError(f"python {shlex.join(words)}: no such command is known to the tests.")


def manage(words: list[str]) -> None:
    name, *arguments = words
    application = get_commands()[name]
    command = load_command_class(application, name) if isinstance(application, str) else application
    command.create_parser("manage.py", name).parse_args(arguments)
    if name not in ENDLESS:
        with contextlib.redirect_stdout(io.StringIO()):
            call_command(name, *arguments)


def pip(words: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert words[0] == "install", words
    wanted = [word for word in words[1:] if not word.startswith("-")]
    for requirement in wanted:
        matched = re.fullmatch(r"(\.|nothing-shared)(?:\[(.+)\])?", requirement)
        assert matched, f"{requirement!r} is not this project"
        extras = set((matched[2] or "").split(",")) - {""}
        assert extras <= set(project["optional-dependencies"]), requirement


def demo_site(words: list[str]) -> None:
    from demo_site.__main__ import arguments

    arguments(words)


def benchmarks(words: list[str]) -> None:
    from tests.benchmarks.__main__ import arguments

    arguments(words)


def long_chaos(words: list[str]) -> None:
    from tests.bus.long_chaos import arguments

    arguments(words)


def gunicorn(words: list[str]) -> None:
    from gunicorn.app.wsgiapp import WSGIApplication

    parser = WSGIApplication.__new__(WSGIApplication)
    parser.usage, parser.prog = None, "gunicorn"
    parser.load_default_config()
    parser.cfg.parser().parse_args(words)


def exists(module: str) -> Callable[[list[str]], None]:
    def check(words: list[str]) -> None:
        assert find_spec(module), f"{module} is not installed"

    return check


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "demo_site": demo_site,
    "gunicorn": gunicorn,
    "pip": pip,
    "pytest": exists("pytest"),
    "tests.benchmarks": benchmarks,
    "tests.bus.long_chaos": long_chaos,
    "tests.reference": exists("tests.reference"),
    "venv": exists("venv"),
    "curl": lambda words: None,
}
