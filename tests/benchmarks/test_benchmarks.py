"""That the benchmarks run; what they claim is for a quiet machine to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_judges(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", name]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    claims = ran.stdout.partition("All claims:")[2].split("\n")
    assert any(line.startswith(("PASS", "FAIL")) for line in claims), ran.stdout + ran.stderr
    assert "ended with exit code" not in ran.stdout, ran.stdout + ran.stderr
