from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.django_suite.decided_otherwise import DECIDED_OTHERWISE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    return outcomes_of("cache")


def outcomes_of(suite: str) -> dict[str, str]:
    """Return what became of each of Django's tests, by class and method."""
    command = [sys.executable, "-m", "tests.django_suite", suite]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def test_djangos_own_cache_tests_pass(outcomes: dict[str, str]) -> None:
    failed = {
        name: outcome
        for name, outcome in outcomes.items()
        if outcome != "passed" and name.partition(".")[2] not in DECIDED_OTHERWISE
    }
    assert not failed, "\n\n".join(f"{name}:\n{outcome}" for name, outcome in failed.items())


def test_the_contract_itself_was_run_both_ways(outcomes: dict[str, str]) -> None:
    for case in ("MachineCacheTests", "AsyncMachineCacheTests"):
        ran = [name for name in outcomes if name.startswith(f"{case}.")]
        assert len(ran) > 50, f"only {len(ran)} tests of {case} ran"


def test_what_is_decided_otherwise_is_exactly_what_fails(outcomes: dict[str, str]) -> None:
    wrong = {name.partition(".")[2] for name, outcome in outcomes.items() if outcome != "passed"}
    assert wrong == set(DECIDED_OTHERWISE)


def test_djangos_own_contract_of_a_session_store_holds_whole() -> None:
    outcomes = outcomes_of("sessions")
    wrong = {name: outcome for name, outcome in outcomes.items() if outcome != "passed"}
    assert not wrong, "\n\n".join(f"{name}:\n{outcome}" for name, outcome in wrong.items())
    for case in ("SignedCookiesTests", "SplitSignedCookiesTests", "SealedCookiesTests"):
        ran = [name for name in outcomes if name.startswith(f"{case}.")]
        assert len(ran) >= 65, f"only {len(ran)} tests of {case} ran"
