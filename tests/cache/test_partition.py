"""``WHEN_PARTITIONED``: what a node does that may not be hearing changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import override_settings

from nothing_shared.cache import invalidate, trace
from nothing_shared.cache.backends import MachineCache
from nothing_shared.causality.scopes import begin
from nothing_shared.node import layout, process
from nothing_shared.node.agent import Agent
from tests.wait import wait_until

BACKEND = "nothing_shared.cache.backends.MachineCache"

LEASE, MAX_STALENESS = 0.3, 2.0


@pytest.fixture
def node(settings: Any, tmp_path: Any) -> Iterator[process.Node]:
    settings.NOTHING_SHARED_NODE = {
        "DIRECTORY": tmp_path / "node",
        "LEASE": LEASE,
        "MAX_STALENESS": MAX_STALENESS,
    }
    settings.NOTHING_SHARED_BUS = {"LOCATION": tmp_path / "bus"}
    begin()
    yield process.current()
    process.close()


@pytest.fixture
def cache(node: process.Node, request: pytest.FixtureRequest) -> Iterator[MachineCache]:
    options = {"WHEN_PARTITIONED": request.param}
    with override_settings(CACHES={"default": {"BACKEND": BACKEND, "OPTIONS": options}}):
        found = caches["default"]
        assert isinstance(found, MachineCache)
        yield found


MISSES = pytest.mark.parametrize("cache", ["miss"], indirect=True)
SERVES = pytest.mark.parametrize("cache", ["serve"], indirect=True)
EITHER = pytest.mark.parametrize("cache", ["miss", "serve"], indirect=True)


def deafen(node: process.Node) -> None:
    """Stop the one thread that hears the bus for this node, and wait for the lease to lapse."""
    node.agent.stop()
    wait_until(lambda: not node.table.leased(), what="the lease to lapse")


def revive(node: process.Node) -> None:
    node.agent = Agent(node)
    node.agent.start()
    wait_until(node.table.leased, what="the node to hear again")


def look(cache: MachineCache, value: str = "second") -> tuple[str, str]:
    begin()
    with trace() as outcomes:
        found = cache.get_or_set("k", lambda: value, 60, depends_on=["source"])
    return found, outcomes[-1].tier


@MISSES
def test_a_deaf_node_that_misses_asks_the_database_each_time(
    cache: MachineCache, node: process.Node
) -> None:
    assert look(cache, "first") == ("first", "miss")
    deafen(node)
    assert look(cache) == ("second", "miss")
    assert look(cache) == ("second", "miss")
    begin()
    assert cache.get("k") is None
    assert "k" not in cache


@MISSES
def test_what_a_deaf_node_read_itself_is_kept_for_when_it_hears_again(
    cache: MachineCache, node: process.Node
) -> None:
    deafen(node)
    assert look(cache) == ("second", "miss")
    revive(node)
    wait_until(lambda: look(cache, "third") in [("second", "l1"), ("third", "l1")])


@SERVES
def test_a_deaf_node_that_serves_does_so_until_max_staleness(
    cache: MachineCache, node: process.Node
) -> None:
    begun = node.table.clock()
    assert look(cache, "first") == ("first", "miss")
    deafen(node)
    assert look(cache) == ("first", "l1")
    wait_until(lambda: look(cache) == ("second", "miss"), what="MAX_STALENESS to pass")
    assert node.table.clock() - begun >= MAX_STALENESS * 10**9


@SERVES
def test_even_then_what_this_node_itself_changed_is_not_served(
    cache: MachineCache, node: process.Node
) -> None:
    look(cache, "first")
    deafen(node)
    invalidate("source")
    assert look(cache) == ("second", "miss")


@SERVES
def test_even_then_nothing_is_served_to_a_client_whose_ticket_can_t_be_read(
    cache: MachineCache, node: process.Node
) -> None:
    look(cache, "first")
    deafen(node)
    begin().refuse_cached()
    assert cache.get("k") is None


@SERVES
def test_what_a_deaf_node_fills_is_as_old_as_its_oldest_read(
    cache: MachineCache, node: process.Node
) -> None:
    """It can't know that nothing has changed meanwhile."""
    deafen(node)
    unit = begin()
    read_at = node.table.clock()
    unit.begin(read_at)
    unit.read_table("default", "events")
    cache.get_or_set("k", lambda: "value", 60)
    entry, _ = cache._store.find(":1:k")
    assert entry is not None
    assert entry.begun == read_at


@EITHER
def test_hits_are_back_when_the_node_hears_again(cache: MachineCache, node: process.Node) -> None:
    assert look(cache, "first") == ("first", "miss")
    epochs = node.table.words[layout.EPOCHS]
    deafen(node)
    revive(node)
    if node.table.words[layout.EPOCHS] == epochs:
        assert look(cache) == ("first", "l1"), "nothing was missed, nothing is forgotten"
    else:
        assert look(cache) == ("second", "miss")


@EITHER
def test_a_set_and_a_delete_on_a_deaf_node_hold_on_it(
    cache: MachineCache, node: process.Node
) -> None:
    look(cache, "first")
    deafen(node)
    cache.set("k", "set")
    begin()
    assert cache.get("k") in ("set", None)
    assert cache.get("k") != "first"
    cache.delete("k")
    assert cache.get("k") is None
    revive(node)
    begin()
    assert cache.get("k") is None
