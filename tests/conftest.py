"""The two lanes of the suite, and the rule that nothing is skipped where ``CI=true``."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

ON_CI = os.environ.get("CI", "").lower() == "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--everything",
        action="store_true",
        default=ON_CI,
        help="run the tests marked slow too, as CI=true does",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests out, unless the person asked for them, by option, marker or name."""
    asked_for = any("::" in argument for argument in config.args)
    if config.option.everything or config.option.markexpr or asked_for:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(scope="session", autouse=True)
def _databases_first(request: pytest.FixtureRequest) -> None:
    """Make the test databases before any test adds an alias, whose name they would get as well."""
    if request.config.pluginmanager.hasplugin("django"):
        request.getfixturevalue("django_db_setup")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse_skip((yield))


def refuse_skip(report: Any) -> Any:
    """Turn a skip into a failure where nothing may be missing; an expected failure is no skip."""
    if ON_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped where CI=true, yet: {report.longrepr}"
    return report
