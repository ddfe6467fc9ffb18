from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.test.utils import override_settings

from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import begin
from nothing_shared.node import process

BACKEND = "nothing_shared.cache.backends.MachineCache"


@pytest.fixture
def node(tmp_path: Path, settings: Any) -> Iterator[process.Node]:
    """A node of its own for one test, on a bus of its own."""
    settings.NOTHING_SHARED_NODE = {
        "DIRECTORY": tmp_path / "node",
        "LEASE": 5.0,
        "MAX_STALENESS": 20.0,
    }
    settings.NOTHING_SHARED_BUS = {"LOCATION": tmp_path / "bus"}
    begin()
    yield process.current()
    process.close()


@pytest.fixture
def cache(node: process.Node) -> Iterator[MachineCache]:
    with override_settings(CACHES={"default": {"BACKEND": BACKEND}}):
        found = caches["default"]
        assert isinstance(found, MachineCache)
        yield found
