"""A runner for Django's own tests: each test method is a unit of work, and its outcome is written down."""

from __future__ import annotations

import json
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test.runner import DiscoverRunner

from nothing_shared.causality import ticket, use_ticket
from tests.pinning import spy

__all__ = ["TellingRunner"]


class Outcomes(unittest.TextTestResult):
    """Remembers of every test that it passed, or why it did not."""

    def startTestRun(self) -> None:
        super().startTestRun()
        self.outcomes: dict[str, str] = {}

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), "passed")

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self.outcomes[test.id()] = "skipped"

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.outcomes[test.id()] = "failed as expected"

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self.outcomes[test.id()] = "passed unexpectedly"

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self.outcomes[test.id()] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self.outcomes[test.id()] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]


class TellingRunner(DiscoverRunner):
    """Writes the outcomes, and how many statements each server was sent, into a file."""

    def get_resultclass(self) -> type[Outcomes]:
        return Outcomes

    def run_suite(self, suite: Any, **options: Any) -> Any:
        with spy.spying() as statements:
            spy.install()
            make_each_method_a_unit_of_work()
            result = super().run_suite(suite, **options)
        served = Counter(port for port, _ in statements)
        told = {"outcomes": result.outcomes, "served": served}
        Path(settings.GIVEN["report"]).write_text(json.dumps(told), encoding="utf-8")
        return result


def make_each_method_a_unit_of_work() -> None:
    """Have what a method reads be read as for a client who knows what was written: from replicas, too."""
    call = unittest.TestCase._callTestMethod  # type: ignore[attr-defined]

    def call_in_unit(self: unittest.TestCase, method: Any) -> Any:
        with use_ticket(ticket()):
            return call(self, method)

    unittest.TestCase._callTestMethod = call_in_unit  # type: ignore[attr-defined]
