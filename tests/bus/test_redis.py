"""RedisBus, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.bus.brokers import Brokered, with_roster
from tests.bus.cluster import Backend
from tests.bus.contract import NetworkContract
from tests.servers import RedisServer, redis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis() as running:
        yield running


class OnRedis(Brokered):
    path = "nothing_shared.bus.backends.redis.RedisBus"


class Streams(OnRedis):
    replays = True


class PubSub(OnRedis):
    replays = False
    options = {"MODE": "pubsub"}


class TestStreamsHoldTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, server: RedisServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with django_db_blocker.unblock(), with_roster(tmp_path):
            yield Streams(tmp_path, server)


class TestPubSubHoldsTheContract(NetworkContract):
    @pytest.fixture
    def backend(
        self, server: RedisServer, tmp_path: Path, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[Backend]:
        with django_db_blocker.unblock(), with_roster(tmp_path):
            yield PubSub(tmp_path, server)
