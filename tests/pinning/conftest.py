from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.causality.scopes import begin
from nothing_shared.node import process
from nothing_shared.pinning import health
from tests.causality.sites import make_tables
from tests.pinning.local import ALIAS, connected, node_at
from tests.pinning.node import Node
from tests.pinning.stage import NO_REPLICAS, described
from tests.servers import Replication, replicated


@pytest.fixture(scope="session")
def running_replication(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replication]:
    """A primary with two replicas, in whose database ``postgres`` the library's tables are made."""
    with replicated("-cautovacuum=off") as servers:
        directory = str(tmp_path_factory.mktemp("maker"))
        site = described(servers, NO_REPLICAS, node="maker", directory=directory)
        maker = Node(site)
        maker.run("migrate")
        maker.close()
        servers.wait_until_caught_up()
        yield servers


@pytest.fixture
def replication(running_replication: Replication) -> Iterator[Replication]:
    """The same servers for all tests, healed after each."""
    yield running_replication
    running_replication.heal()


@pytest.fixture(scope="session")
def shop_of_replicas(
    running_replication: Replication, django_db_blocker: DjangoDbBlocker
) -> dict[str, Any]:
    """Settings of a database of authors, which belongs to a plain role."""
    running_replication.primary.ask("CREATE DATABASE shop OWNER site")
    settings = running_replication.settings("shop", user="site")
    with django_db_blocker.unblock(), connected(settings):
        make_tables(ALIAS)
    return settings


@pytest.fixture
def pinned(
    replication: Replication,
    shop_of_replicas: dict[str, Any],
    tmp_path: Path,
    settings: Any,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Replication]:
    """That database under the alias ``pinned``, on a node of its own; replicas show all there is."""
    settings.NOTHING_SHARED_PINNING = {"WAIT": 0.0, "RETRY_AFTER": 0.05}
    replication.wait_until_caught_up()
    with django_db_blocker.unblock(), connected(shop_of_replicas), node_at(tmp_path / "node"):
        begin()
        health.forget()
        yield replication
        process.close()
