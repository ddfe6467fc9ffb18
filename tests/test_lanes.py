from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SAMPLE = """
import pytest

def test_quick():
    pass

@pytest.mark.slow
def test_slow():
    pass

def test_skipped():
    pytest.skip("no browser here")
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A suite of three tests under the real ``conftest.py``."""
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_sample.py").write_text(SAMPLE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", encoding="utf-8")
    return tmp_path


def outcome(suite: Path, *options: str, ci: str = "") -> dict[str, int]:
    """Count the outcomes of a run by their names in pytest's closing line."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        capture_output=True, text=True, cwd=suite, check=False,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    closing = ran.stdout.splitlines()[-1]
    return {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", closing) if name != "in"}


def test_the_quick_lane_leaves_out_what_is_slow(run: Path) -> None:
    assert outcome(run) == {"passed": 1, "skipped": 1, "deselected": 1}


def test_everything_is_everything(run: Path) -> None:
    assert outcome(run, "--everything") == {"passed": 2, "skipped": 1}


def test_a_slow_test_runs_when_it_is_named(run: Path) -> None:
    assert outcome(run, "test_sample.py::test_slow") == {"passed": 1}
    assert outcome(run, "-m", "slow") == {"passed": 1, "deselected": 2}


def test_on_ci_everything_runs_and_a_skip_is_a_failure(run: Path) -> None:
    assert outcome(run, ci="true") == {"passed": 2, "failed": 1}


def test_on_ci_a_whole_module_can_t_be_skipped_either(run: Path) -> None:
    module = "import pytest\npytest.skip('no browser here', allow_module_level=True)\n"
    (run / "test_sample.py").write_text(module, encoding="utf-8")
    assert outcome(run, ci="true") == {"error": 1}
