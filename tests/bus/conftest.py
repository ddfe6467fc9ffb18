from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nothing_shared.bus import topics
from tests.bus.cluster import Backend, Cluster, Node
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


class Local(Backend):
    """The embedded bus, in a directory of its own."""

    replays = True

    def settings(self) -> dict[str, Any]:
        return {"LOCATION": str(self.directory)}

    def small(self) -> dict[str, Any]:
        return {**self.settings(), "OPTIONS": {"RING_BYTES": 2**16}}

    @contextmanager
    def clogged(self, reader: Node) -> Iterator[None]:
        reader.stop()
        yield
        reader.go_on()


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Local(tmp_path / "bus")


@pytest.fixture
def cluster(backend: Backend, workers: Workers, tmp_path: Path) -> Cluster:
    return Cluster(
        workers,
        tmp_path,
        bus=backend.settings(),
        databases=backend.databases(),
        others=backend.others(),
    )


@pytest.fixture
def location(backend: Backend) -> Path:
    """Where the ring is."""
    return backend.directory
