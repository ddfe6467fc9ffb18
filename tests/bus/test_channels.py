"""ChannelsBus, over the layers that sites use, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.bus.backends.channels import group_of
from nothing_shared.bus.carrier import LOST
from nothing_shared.node import slots
from tests.bus import acts
from tests.bus.brokers import Brokered, with_roster
from tests.bus.cluster import Backend, Cluster
from tests.bus.contract import NetworkContract
from tests.node import acts as node_acts
from tests.servers import (
    Proxy,
    RabbitMQServer,
    RedisServer,
    Server,
    free_port,
    proxied,
    rabbitmq,
    redis,
)
from tests.servers.rabbitmq import PROGRAM as RABBITMQ
from tests.wait import wait_until

pytestmark = pytest.mark.slow

EVENT = slots.table("db", "event")
SAID = range(300)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with redis() as running:
        yield running


@pytest.fixture(scope="module")
def rabbitmq_server() -> Iterator[RabbitMQServer]:
    if not RABBITMQ.exists():
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    with rabbitmq() as running:
        yield running


class OverChannels(Brokered):
    """A layer whose names are one test's own, since groups are the site's and not the bus's."""

    path = "nothing_shared.bus.backends.channels.ChannelsBus"
    replays = False
    ease = 8.0  # to a layer over Redis each message is some round trips, and again for each node
    layer: ClassVar[str]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "LOCATION": "news"}

    def others(self) -> dict[str, Any]:
        return {"CHANNEL_LAYERS": {"news": {"BACKEND": self.layer, "CONFIG": self.config()}}}

    def config(self) -> dict[str, Any]:
        url = f"redis://127.0.0.1:{self.port or self.server.port}/0"
        return {"hosts": [url], "prefix": self.namespace}


class OverRedis(OverChannels):
    layer = "channels_redis.core.RedisChannelLayer"


class OverPubSub(OverChannels):
    layer = "channels_redis.pubsub.RedisPubSubChannelLayer"


class OverRabbitMQ(OverChannels):
    layer = "channels_rabbitmq.core.RabbitmqChannelLayer"

    def config(self) -> dict[str, Any]:
        port = self.port or self.server.port
        return {
            "host": f"amqp://guest:guest@127.0.0.1:{port}/%2F",
            "groups_exchange": self.namespace,
        }


class TestRedisLayerHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, redis_server: RedisServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with django_db_blocker.unblock(), with_roster(tmp_path):
            yield OverRedis(tmp_path, redis_server)


class TestPubSubLayerHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, redis_server: RedisServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with django_db_blocker.unblock(), with_roster(tmp_path):
            yield OverPubSub(tmp_path, redis_server)


class TestRabbitMQLayerHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, rabbitmq_server: RabbitMQServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with django_db_blocker.unblock(), with_roster(tmp_path):
            yield OverRabbitMQ(tmp_path, rabbitmq_server)


LAYERS = {
    "redis": ("redis_server", OverRedis),
    "pubsub": ("redis_server", OverPubSub),
    "rabbitmq": ("rabbitmq_server", OverRabbitMQ),
}


@contextmanager
def through_a_proxy(cluster: Cluster, server: Server, kind: type[OverChannels]) -> Iterator[Proxy]:
    with proxied(server.port) as proxy:
        backend = kind(cluster.base, server, port=proxy.port)
        cluster.bus, cluster.others = backend.settings(), backend.others()
        cluster.databases = backend.databases()
        yield proxy


@pytest.mark.parametrize("layer", LAYERS)
class TestWhatALayerLoses:
    """A layer tells nobody what it has lost; the numbers do."""

    @pytest.fixture
    def proxy(
        self,
        request: pytest.FixtureRequest,
        layer: str,
        cluster: Cluster,
        django_db_blocker: DjangoDbBlocker,
    ) -> Iterator[Proxy]:
        name, kind = LAYERS[layer]
        server: Server = request.getfixturevalue(name)
        with (
            django_db_blocker.unblock(),
            with_roster(cluster.base),
            through_a_proxy(cluster, server, kind) as proxy,
        ):
            yield proxy

    def test_a_cut_line_loses_nothing_or_is_a_gap(self, cluster: Cluster, proxy: Proxy) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        north.workers[0].begin(acts.say, "sold", *SAID)
        proxy.cut()
        north.workers[0].result()
        wait_until(lambda: south.gaps() or len(south.heard()) == len(SAID), what="heard, or a gap")
        south.hears()
        before = south.run(node_acts.now)
        north.run(node_acts.change, EVENT)
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="the bus goes on")
        heard = south.heard()
        assert len(heard) == len({*heard}), "nothing was heard twice"

    def test_a_frozen_line_loses_nothing_or_is_a_gap_and_doubles_nothing(
        self, cluster: Cluster, proxy: Proxy
    ) -> None:
        nodes = [cluster.node(name, "sold") for name in ("north", "south")]
        nodes[0].workers[0].begin(acts.say, "sold", *SAID)
        proxy.freeze()
        nodes[0].workers[0].result()
        for node in nodes:
            wait_until(lambda node=node: not node.run(node_acts.is_leased), what="a lapse")
        proxy.thaw()
        for node in nodes:
            wait_until(
                lambda node=node: node.gaps() or len(node.heard()) == len(SAID),
                what="heard, or a gap",
            )
            node.hears()
            heard = node.heard()
            assert len(heard) == len({*heard})

    def test_a_node_that_could_not_connect_for_a_while_misses_nothing_silently(
        self, cluster: Cluster, proxy: Proxy
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        proxy.refuse()
        proxy.cut()
        before = south.run(node_acts.now)
        north.run(node_acts.change, EVENT)
        wait_until(lambda: not south.run(node_acts.is_leased), what="the lease lapses")
        proxy.accept()
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was heard")
        south.hears()

    def test_a_reader_that_stood_still_while_its_channel_ran_over_is_told(
        self, cluster: Cluster, proxy: Proxy
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        south.stop()
        north.run(acts.say, "sold", *SAID)
        wait_until(lambda: len(north.heard()) == len(SAID) or north.gaps(), what="all is sent")
        south.go_on()
        wait_until(lambda: south.gaps() or len(south.heard()) == len(SAID), what="heard, or a gap")
        south.hears()


class InMemory(OverChannels):
    layer = "channels.layers.InMemoryChannelLayer"

    def config(self) -> dict[str, Any]:
        return {}


def test_over_the_layer_in_memory_a_node_hears_itself(
    cluster: Cluster, redis_server: RedisServer, django_db_blocker: DjangoDbBlocker
) -> None:
    backend = InMemory(cluster.base, redis_server)
    cluster.bus, cluster.others = backend.settings(), backend.others()
    cluster.databases = backend.databases()
    with django_db_blocker.unblock(), with_roster(cluster.base):
        node = cluster.node("north", "sold")
        node.run(acts.say, "sold", *SAID)
        wait_until(lambda: node.heard() == [*SAID], what="all was heard")
        assert node.gaps() == []


@pytest.mark.parametrize(
    "namespace", ["default", "a b", "grüße", "x" * 500, "", "a.b", "x" * 60, "-", "news\n"]
)
def test_any_namespace_has_a_group_that_a_layer_takes(namespace: str) -> None:
    from channels.layers import InMemoryChannelLayer

    layer = InMemoryChannelLayer()
    assert layer.require_valid_group_name(group_of(namespace))
    assert group_of(namespace) != group_of(namespace + "x")


def test_a_layer_that_hangs_while_it_is_closed_keeps_nobody() -> None:
    from nothing_shared.bus.backends import layers

    class Stubborn:
        async def close(self) -> None:
            await asyncio.Event().wait()

    async def use() -> None:
        async with asyncio.timeout(layers.CLOSING + 5), layers.a_layer(Stubborn):
            pass

    asyncio.run(use())


@pytest.mark.parametrize("kind", [OverRedis, OverPubSub, OverRabbitMQ])
def test_a_broker_that_is_away_for_long_leaves_no_layer_behind(kind: type[OverChannels]) -> None:
    """channels_redis ties each layer to the loop, and channels_rabbitmq tries again for ever."""
    from django.utils.module_loading import import_string

    from nothing_shared.bus.backends import layers

    nobody = kind(Path(), RedisServer(), port=free_port())

    async def fail_to_connect() -> None:
        with pytest.raises(LOST):
            async with (
                asyncio.timeout(0.3),
                layers.a_layer(lambda: import_string(kind.layer)(**nobody.config())) as layer,
                layers.GroupTransport.joined(layer, "news"),
            ):
                pass

    async def fail_twice() -> None:
        await fail_to_connect()
        await fail_to_connect()
        await asyncio.sleep(0)
        assert "close" not in vars(asyncio.get_running_loop())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(fail_twice())
