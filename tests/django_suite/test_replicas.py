"""A part of ``python -m tests.django_suite.replicas``, which runs more, and Django's backend beside it."""

from __future__ import annotations

import pytest

from tests.django_suite.decided_otherwise import ON_REPLICAS
from tests.django_suite.replicas import Report, kind, run
from tests.servers import replicated

pytestmark = pytest.mark.slow

LABELS = (
    "backends.base",
    "backends.tests",
    "multiple_database",
    "prefetch_related",
    "select_for_update",
    "transaction_hooks",
    "transactions",
)


@pytest.fixture(scope="module")
def report() -> Report:
    with replicated(replicas=1) as servers:
        found = run(servers, *LABELS)
        assert str(servers.replicas[0].port) in found.served, "no replica was asked for anything"
        return found


def test_djangos_own_tests_pass_on_a_database_with_a_replica(report: Report) -> None:
    failed = {
        name: outcome
        for name, outcome in report.outcomes.items()
        if kind(outcome) in ("failed", "passed unexpectedly") and name not in ON_REPLICAS
    }
    assert not failed, "\n\n".join(f"{name}:\n{outcome}" for name, outcome in failed.items())
    assert len(report.outcomes) > 400, "too few tests were found"
