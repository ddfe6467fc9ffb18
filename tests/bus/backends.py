"""Every backend with a broker, reached through a proxy that can be cut and frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_django.plugin import DjangoDbBlocker

from tests.bus.brokers import Brokered, with_roster
from tests.bus.cluster import Cluster
from tests.bus.on_postgres import OnPostgreSQL, site_on_postgresql
from tests.bus.test_channels import OverPubSub, OverRabbitMQ, OverRedis
from tests.bus.test_nats import Core, JetStream
from tests.bus.test_redis import PubSub, Streams
from tests.node.workers import Workers
from tests.servers import Proxy, Server, nats, proxied, rabbitmq, redis

__all__ = ["BACKENDS", "opened"]


class Mishaps(PubSub):
    """Resilience mode."""

    path = "tests.bus.mishaps.MishapBus"


@dataclass(frozen=True)
class ProxiedPostgreSQL(OnPostgreSQL):
    """Its agents reach it through the proxy, its writers do not."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "OPTIONS": {"HOST": "127.0.0.1", "PORT": self.port}}


BACKENDS: dict[str, tuple[Callable[[], AbstractContextManager[Server]] | None, type[Brokered]]] = {
    "redis streams": (redis, Streams),
    "redis pubsub": (redis, PubSub),
    "mishaps": (redis, Mishaps),
    "nats jetstream": (nats, JetStream),
    "nats core": (nats, Core),
    "postgres": (None, ProxiedPostgreSQL),
    "channels redis": (redis, OverRedis),
    "channels redis pubsub": (redis, OverPubSub),
    "channels rabbitmq": (rabbitmq, OverRabbitMQ),
}


@contextmanager
def opened(
    name: str, directory: Path, workers: Workers, blocker: DjangoDbBlocker
) -> Iterator[tuple[Cluster, Server, Proxy]]:
    """Start a server of its own and a proxy before it; give a cluster that goes through that."""
    start, kind = BACKENDS[name]
    # What a killed server had confirmed is on its disk: else it is the database that loses it.
    run = start or (lambda: site_on_postgresql(blocker, "-csynchronous_commit=on"))
    with run() as server, proxied(server.port) as proxy, blocker.unblock(), with_roster(directory):
        backend = kind(directory, server, port=proxy.port)
        cluster = Cluster(
            workers, directory, bus=backend.settings(), databases=backend.databases(),
            others=backend.others(),
        )  # fmt: skip
        yield cluster, server, proxy
