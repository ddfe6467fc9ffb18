from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pinning.node import Node
from tests.pinning.stage import NO_REPLICAS, described
from tests.servers import Replication, replicated


@pytest.fixture(scope="session")
def running_replication(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replication]:
    """A primary with two replicas, in whose database ``postgres`` the library's tables are made."""
    with replicated() as servers:
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
