from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.clocks import HandClock
from tests.node.workers import Workers, workers as started_workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    with started_workers() as started:
        yield started


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A node directory, made."""
    place = tmp_path / "node"
    place.mkdir(mode=0o700)
    return place
