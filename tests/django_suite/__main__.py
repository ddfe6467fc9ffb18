"""Run Django's own tests: ``python -m tests.django_suite cache|sessions`` prints each outcome as JSON."""

from __future__ import annotations

import json
import os
import sys
import unittest
from importlib import import_module
from typing import Any

import django
from django.test.utils import get_runner

from tests.django_suite.source import directory_of_djangos_tests


class Outcomes(unittest.TextTestResult):
    """Remembers the outcome of every test: "passed", or why it did not."""

    def startTestRun(self) -> None:
        self.outcomes: dict[str, str] = {}

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self.outcomes.setdefault(name(test), "passed")

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self.outcomes[name(test)] = f"skipped: {reason}"

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self.outcomes[name(test)] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self.outcomes[name(test)] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[name(test)] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]


def name(test: Any) -> str:
    return f"{type(test).__name__}.{getattr(test, '_testMethodName', test)}"


SUITES = {"cache": ("settings", "cases"), "sessions": ("session_settings", "session_cases")}


def main(suite_name: str) -> None:
    sys.path.append(str(directory_of_djangos_tests()))
    site, cases = (f"tests.django_suite.{module}" for module in SUITES[suite_name])
    os.environ["DJANGO_SETTINGS_MODULE"] = site
    django.setup()
    from django.conf import settings

    runner = get_runner(settings)(verbosity=0)
    runner.setup_test_environment()
    suite = unittest.TestSuite(
        map(unittest.defaultTestLoader.loadTestsFromTestCase, import_module(cases).CASES)
    )
    databases = runner.setup_databases()
    result = unittest.TextTestRunner(resultclass=Outcomes, verbosity=0).run(suite)
    runner.teardown_databases(databases)
    assert isinstance(result, Outcomes)
    json.dump(result.outcomes, sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
