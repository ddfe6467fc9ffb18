"""Each rule is needed: a story ends well with it, and with a stale read without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nothing_shared.causality.scopes import current
from tests.pinning.local import Client, count, make, node_at, warm
from tests.pinning.mutants import planted
from tests.pinning.test_servers import asynchronously
from tests.servers import Replication

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("pinned")]

Story = Callable[[Replication, Path], bool]
"""Says whether what was read was up to date."""


def paused(servers: Replication) -> None:
    servers.wait_until_caught_up()
    warm()
    for replica in servers.replicas:
        replica.pause()


def seen_elsewhere(write: Callable[[], object], servers: Replication, directory: Path) -> bool:
    """Write on one node, and read on another that knows how far the primary had got before."""
    with node_at(directory / "another"):
        paused(servers)
    before, client = count(), Client()
    client.post(write)
    with node_at(directory / "another"):
        return client.get(count) == before + 1


def write_and_read_elsewhere(servers: Replication, directory: Path) -> bool:
    return seen_elsewhere(lambda: make("Ursula"), servers, directory)


def write_asynchronously_and_read_elsewhere(servers: Replication, directory: Path) -> bool:
    return seen_elsewhere(lambda: asynchronously("Ursula"), servers, directory)


def read_after_a_replica_was_rewound(servers: Replication, directory: Path) -> bool:
    servers.restart_from_here()
    client = Client()
    client.post(lambda: make("Ursula"))
    servers.wait_until_caught_up()
    warm()
    expected = count()
    for replica in servers.replicas:
        replica.rewind()
    return all(client.get(count) == expected for _ in range(10))


def write_twice_at_a_time(servers: Replication, directory: Path) -> bool:
    paused(servers)
    before = count()
    writers = [Client(), Client()]
    for number, writer in enumerate(writers):
        writer.post(lambda number=number: make(f"author {number}"))
    reader = Client()
    for writer in reversed(writers):
        reader.receive(writer.response)
    for replica in servers.replicas:
        replica.resume()
    servers.wait_until_caught_up()
    return len(reader.jar) == 2 and count() == before + 2


def fill_after_another_s_write(servers: Replication, directory: Path) -> bool:
    """What is read after the node has heard of a change is new, or is not kept."""
    paused(servers)
    before = count()
    Client().post(lambda: make("Ursula"))
    found, may_fill = Client().get(lambda: (count(), current().may_fill))
    return found == before + 1 or not may_fill


def fill_after_a_gap(servers: Replication, directory: Path) -> bool:
    with node_at(directory / "one"):
        paused(servers)
    before = count()
    with node_at(directory / "another"):
        Client().post(lambda: make("Ursula"))
    with node_at(directory / "one") as node:  # it has missed that
        node.table.forget_everything()
        found, may_fill = Client().get(lambda: (count(), current().may_fill))
    return found == before + 1 or not may_fill


STORIES: dict[str, Story] = {
    "position before the commit": write_and_read_elsewhere,
    "tickets without positions": write_and_read_elsewhere,
    "flushed instead of inserted": write_asynchronously_and_read_elsewhere,
    "replayed by address": read_after_a_replica_was_rewound,
    "one cookie": write_twice_at_a_time,
    "no floor of the node": fill_after_another_s_write,
    "no doubt after a gap": fill_after_a_gap,
}


@pytest.mark.parametrize("rule", STORIES)
def test_a_story_ends_well_with_all_rules_and_not_without_this_one(
    pinned: Replication, tmp_path: Path, rule: str
) -> None:
    assert STORIES[rule](pinned, tmp_path)
    pinned.heal()
    with planted(rule):
        assert not STORIES[rule](pinned, tmp_path / "without")
