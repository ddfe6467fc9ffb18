from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.harness import Cluster
from tests.cluster.zygote import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    started = Zygote()
    yield started
    started.close()


@pytest.fixture
def make_cluster(tmp_path: Path, zygote: Zygote) -> Iterator[Callable[..., Cluster]]:
    """Make clusters that end with the test; keyword arguments are their environment."""
    made: list[Cluster] = []

    def make(**environment: str) -> Cluster:
        directory = tmp_path / f"cluster-{len(made)}"
        directory.mkdir(mode=0o700)
        made.append(Cluster(zygote, directory, **environment))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster()
