from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import reference
from tests.docs_site.blocks import LANGUAGES, blocks_of

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
)
EXECUTED = [page for page in PAGES if any(b.language != "text" for b in blocks_of(ROOT / page))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]+)?\)")


@pytest.mark.slow
@pytest.mark.parametrize("page", EXECUTED)
def test_every_code_block_of_a_page_works(page: str, tmp_path: Path) -> None:
    environment = {**os.environ, "NOTHING_SHARED_TESTS_DIRECTORY": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs_site", page],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_code_block_says_what_it_is_written_in(page: str) -> None:
    strange = [block for block in blocks_of(ROOT / page) if block.language not in LANGUAGES]
    assert not strange, "\n".join(f"{page}:{b.line}: {b.language!r}" for b in strange)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    broken = [to for to, _ in LINK.findall(text) if not ((ROOT / page).parent / to).exists()]
    assert not broken


@pytest.mark.parametrize("command", ["test command", "demo command"])
def test_the_commands_of_the_readme_are_the_ones_that_ci_follows(command: str) -> None:
    (block,) = (block for block in blocks_of(ROOT / "README.md") if block.marker == command)
    assert len(block.source.splitlines()) == 1
    assert f'"{command}"' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_reference_says_what_the_code_says() -> None:
    old = [
        str(path.relative_to(ROOT))
        for path, text in reference.pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not old, "run: python -m tests.reference"
