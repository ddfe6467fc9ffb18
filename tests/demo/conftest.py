from __future__ import annotations

from collections.abc import Iterator

import pytest

from .running import Demo, Visitor


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo with its three nodes. A module's tests share it: each buys for events of its own.

    One for all modules could be older than the ten minutes that its fragments are kept.
    """
    with Demo(tmp_path_factory.mktemp("demo") / "site") as running:
        yield running.ready()


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()
