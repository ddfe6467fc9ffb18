"""Django's own tests on ``nothing_shared.pinning.postgresql`` with a replica, beside Django's backend.

``python -m tests.django_suite.replicas [MODULE…]`` runs both and names what differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from tests.django_suite.decided_otherwise import ON_REPLICAS
from tests.django_suite.source import directory_of_djangos_tests
from tests.servers import Replication, replicated

__all__ = ["MODULES", "Report", "kind", "run"]

MODULES = (
    "admin_views",
    "auth_tests",
    "backends",
    "contenttypes_tests",
    "migrations",
    "multiple_database",
    "prefetch_related",
    "queries",
    "select_for_update",
    "sessions_tests",
    "transaction_hooks",
    "transactions",
)

STOCK = "django.db.backends.postgresql"


@dataclass
class Report:
    """What became of each test, and how many statements went to each port."""

    outcomes: dict[str, str]
    served: dict[str, int]

    def differences(self, other: Report) -> dict[str, str]:
        """Return what came out otherwise than in another run, where a traceback is just a failure."""
        kinds = {name: kind(outcome) for name, outcome in other.outcomes.items()}
        missing = dict.fromkeys(kinds.keys() - self.outcomes.keys(), "did not run")
        return missing | {
            name: outcome
            for name, outcome in self.outcomes.items()
            if kind(outcome) != kinds.get(name, "did not run")
        }


def kind(outcome: str) -> str:
    return "failed" if "Traceback" in outcome else outcome


def run(servers: Replication, *labels: str, stock: bool = False) -> Report:
    """Run Django's tests with these labels in a process of its own."""
    database: dict[str, Any] = servers.settings()
    if stock:
        database = {**servers.primary.settings(), "ENGINE": STOCK}
    tests = directory_of_djangos_tests()
    with tempfile.TemporaryDirectory(prefix="nothing-shared-suite-") as scratch:
        report = Path(scratch, "report.json")
        Path(scratch, "node").mkdir(mode=0o700)
        given = {
            "database": database,
            "directory": str(Path(scratch, "node")),
            "report": str(report),
        }
        ran = subprocess.run(
            [sys.executable, tests / "runtests.py", "--parallel=1", "--noinput", "--verbosity=0",
             "--settings=tests.django_suite.postgres_settings", *labels],
            env={**os.environ, "DJANGO_SUITE": json.dumps(given),
                 "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=tests, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert report.exists(), ran.stderr + ran.stdout
        return Report(**json.loads(report.read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.django_suite.replicas")
    parser.add_argument("labels", nargs="*", metavar="MODULE", default=MODULES)
    labels = parser.parse_args().labels
    found = {}
    with replicated(replicas=1) as servers:
        ports = {str(servers.primary.port): "primary", str(servers.replicas[0].port): "replica"}
        for engine in ("stock", "ours"):
            began = time.monotonic()
            found[engine] = report = run(servers, *labels, stock=engine == "stock")
            outcomes = report.outcomes.values()
            served = {ports.get(port, port): number for port, number in report.served.items()}
            print(
                f"Django {django.get_version()}, {engine}: {len(outcomes)} tests in "
                f"{time.monotonic() - began:.0f} s, {list(outcomes).count('passed')} passed, "
                f"{list(outcomes).count('skipped')} skipped; statements: {served}",
                flush=True,
            )
    failed = [
        name for name, outcome in found["stock"].outcomes.items() if kind(outcome) == "failed"
    ]
    print(f"fails on Django's own backend too: {failed}")
    differences = found["ours"].differences(found["stock"])
    for name, reason in ON_REPLICAS.items():
        if differences.pop(name, None):
            print(f"decided otherwise: {name}: {reason}")
    for name, outcome in differences.items():
        print(f"\n{name}: {outcome}")
    print(f"\n{len(differences)} other differences")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
