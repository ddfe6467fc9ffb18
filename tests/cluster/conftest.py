from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.harness import Cluster
from tests.cluster.zygote import Zygote
from tests.servers import NATSServer, RedisServer, nats, redis

BROKERS = {"redis.RedisBus": redis, "nats.NatsBus": nats}


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


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Iterator[RedisServer | NATSServer]:
    with BROKERS[request.param]() as running:
        yield running


@pytest.fixture
def bus(request: pytest.FixtureRequest, broker: RedisServer | NATSServer) -> str:
    """What a cluster's nodes have to know of the broker: its CLUSTER_BUS."""
    path = "nothing_shared.bus.backends." + request.node.callspec.params["broker"]
    return json.dumps({"BACKEND": path, "LOCATION": broker.url})


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster()
