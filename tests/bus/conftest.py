from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nothing_shared.bus import topics
from tests.node.workers import Workers, workers as started_workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    with started_workers() as started:
        yield started


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory for a bus, made."""
    place = tmp_path / "bus"
    place.mkdir(mode=0o700)
    return place


@pytest.fixture
def subscriptions() -> Iterator[None]:
    """Leave the subscriptions of this process as they were."""
    before = list(topics._subscriptions)
    yield
    topics._subscriptions[:] = before
