"""P9: positions of one history are never taken for those of another, and nobody is pinned for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from nothing_shared.causality.scopes import begin
from nothing_shared.node import process
from nothing_shared.pinning import health
from nothing_shared.pinning.errors import StalePrimary
from tests.causality.sites import make_tables
from tests.pinning.local import ALIAS, Client, Counting, connected, connection, count, make, node_at
from tests.servers import Proxy, Replication, proxied, replicated
from tests.wait import wait_until

pytestmark = pytest.mark.slow


class Site:
    """A primary behind an address that can be led elsewhere, and two replicas."""

    def __init__(self, servers: Replication, address: Proxy) -> None:
        self.servers = servers
        self.address = address
        self.one, self.two = servers.replicas

    def fail_over(self) -> None:
        """Make the first replica the primary; the second goes on following the old one."""
        self.one.promote()
        self.address.lead_to(self.one.port)
        connection().close()
        health.forget()


@pytest.fixture
def site(tmp_path: Path, settings: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    settings.NOTHING_SHARED_PINNING = {"WAIT": 0.0, "RETRY_AFTER": 0.05}
    with replicated("-cautovacuum=off") as servers, proxied(servers.primary.port) as address:
        servers.primary.ask("CREATE DATABASE shop OWNER site")
        database = servers.settings("shop", user="site") | {"PORT": str(address.port)}
        with django_db_blocker.unblock(), connected(database), node_at(tmp_path / "node"):
            begin()
            health.forget()
            make_tables(ALIAS)
            make("first")
            servers.wait_until_caught_up()
            yield Site(servers, address)
            process.close()


def leave_out(number: int) -> None:
    fleet = connection().fleet
    assert fleet is not None
    fleet.replicas[number].weight = 0


def test_p9_a_replica_of_the_old_history_has_never_caught_up_with_the_new_one(
    site: Site, tmp_path: Path
) -> None:
    site.fail_over()
    client = Client()
    client.post(lambda: make("on the new primary"))
    # The old one goes on, far past the position of that, and its replica with it.
    site.servers.primary.ask("SELECT pg_switch_wal()")
    site.servers.primary.ask("CREATE DATABASE elsewhere")
    site.servers.wait_until_caught_up(site.two)
    with node_at(tmp_path / "another"):
        for _ in range(6):
            assert client.get(count) == 2
            assert client.used_replicas in ([], [f"{ALIAS}@0"])


def test_p9_who_wrote_on_the_lost_history_asks_the_primary_once(site: Site, tmp_path: Path) -> None:
    client = Client()
    site.one.detach()
    site.servers.primary.ask("CREATE DATABASE filler")
    client.post(lambda: make("lost"))
    site.fail_over()
    site.two.rebuild(site.one)
    with node_at(tmp_path / "another"):
        assert client.get(count) == 1
        position = site.one.ask("SELECT pg_current_wal_insert_lsn()::text")
        wait_until(lambda: site.two.has_replayed(position))
        connection().positions = counting = Counting()
        for _ in range(5):
            client.get(count)
            assert not client.used_primary
        assert counting.asked.count("primary") <= 1


def test_p9_a_client_who_has_seen_the_new_primary_is_never_served_by_the_old_one(
    site: Site, tmp_path: Path
) -> None:
    site.fail_over()
    client = Client()
    client.post(lambda: make("on the new primary"))
    site.address.lead_to(site.servers.primary.port)
    connection().close()
    leave_out(0)  # which would answer in its place
    with node_at(tmp_path / "another"), pytest.raises(StalePrimary):
        client.get(count)
    # The address leads to the right one again, and the next request finds it.
    site.address.lead_to(site.one.port)
    with node_at(tmp_path / "another"):
        assert client.get(count) == 2


def test_p9_replicas_that_follow_the_new_primary_are_used(site: Site, tmp_path: Path) -> None:
    site.fail_over()
    site.two.rebuild(site.one)
    site.one.ask("CHECKPOINT")
    client = Client()
    client.post(lambda: make("on the new primary"))
    position = site.one.ask("SELECT pg_current_wal_insert_lsn()::text")
    wait_until(lambda: site.two.has_replayed(position))
    seen = set()
    for _ in range(20):
        assert client.get(count) == 2
        seen.update(client.used_replicas)
    assert f"{ALIAS}@1" in seen
