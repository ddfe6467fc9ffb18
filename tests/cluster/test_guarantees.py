"""The README's promises, a test each, on real processes."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable

import pytest

from tests.cluster.harness import Cluster, WorkerProcess
from tests.servers import replicated
from tests.wait import wait_until

pytestmark = pytest.mark.slow

CLIENT = """
from django.test import Client
def ask(client, path, method="get"):
    response = getattr(client, method)(path)
    return response.json() if "json" in response["Content-Type"] else response.content.decode()
"""

ANSWERED_BY_A_REPLICA = """
from nothing_shared.causality import ticket, use_ticket
from nothing_shared.pinning import served
with use_ticket(ticket()):
    Stall.objects.get(pk=2)
    answered = served()
any("@" in server for server in answered)
"""

AGENT = "process.current().table.words[layout.AGENT_PID]"


def visit(worker: WorkerProcess, path: str, cookies: dict[str, str], method: str = "get") -> object:
    """Ask a worker as a browser with these cookies would; keeps what it sets and deletes."""
    answer = worker(
        CLIENT
        + f"""
client = Client(raise_request_exception=False)
for name, value in {cookies!r}.items(): client.cookies[name] = value
body = ask(client, {path!r}, {method!r})
[body, {{name: morsel.value for name, morsel in client.cookies.items() if morsel.value}}]
"""
    )
    body, kept = answer
    cookies.clear()
    cookies.update(kept)
    return body


def stop_agents(*workers: WorkerProcess) -> list[WorkerProcess]:
    """Freeze the workers that hear the bus for their nodes; the others can't hear any more."""
    stopped = [worker for worker in workers if worker(AGENT) == worker.pid]
    for worker in stopped:
        worker.kill(signal.SIGSTOP)
    return stopped


def test_read_your_writes_on_any_node_with_the_bus_cut(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(CLUSTER_LEASE="30")
    agents = [cluster.worker(node) for node in "ab"]
    one, two = cluster.worker("a"), cluster.worker("b")
    for worker in (*agents, one, two):
        assert visit(worker, "/stalls/1/", {})["sold"] == 0  # type: ignore[index]
    assert len(stop_agents(*agents)) == 2
    buyer: dict[str, str] = {}
    assert visit(one, "/stalls/1/sell/", buyer, "post") == {"sold": 1}
    assert len(buyer) == 1
    stranger = visit(two, "/stalls/1/", {})
    assert stranger["sold"] == 0  # type: ignore[index]
    assert visit(two, "/stalls/1/", buyer)["sold"] == 1  # type: ignore[index]
    assert visit(two, "/stalls/2/", buyer)["sold"] == 0  # type: ignore[index]


def test_read_your_writes_on_any_node_through_replicas_that_lag_with_the_bus_cut(
    make_cluster: Callable[..., Cluster],
) -> None:
    with replicated() as servers:
        database = json.dumps(servers.settings())
        cluster = make_cluster(CLUSTER_LEASE="30", CLUSTER_DATABASE=database)
        agents = [cluster.worker(node) for node in "ab"]
        one, two = cluster.worker("a"), cluster.worker("b")
        servers.wait_until_caught_up()
        for replica in servers.replicas:
            replica.pause()
        for worker in (*agents, one, two):
            assert visit(worker, "/stalls/1/", {})["sold"] == 0  # type: ignore[index]
            assert visit(worker, "/stalls/1/page/", {}) == "0 sold"
        assert len(stop_agents(*agents)) == 2
        buyer: dict[str, str] = {}
        assert visit(one, "/stalls/1/sell/", buyer, "post") == {"sold": 1}
        assert visit(two, "/stalls/1/", {})["sold"] == 0  # type: ignore[index]  # a stranger, of a cache
        assert visit(two, "/stalls/1/", buyer)["sold"] == 1  # type: ignore[index]
        assert visit(two, "/stalls/1/page/", buyer) == "1 sold"
        for replica in servers.replicas:
            replica.resume()
        servers.wait_until_caught_up()
        assert visit(two, "/stalls/1/", buyer)["sold"] == 1  # type: ignore[index]
        assert two(ANSWERED_BY_A_REPLICA), "the pin has ended with the lag"
        cluster.close()


def test_a_ticket_carries_a_write_whose_response_was_an_error(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(CLUSTER_LEASE="30")
    agent = cluster.worker("b")
    one, two = cluster.worker("a"), cluster.worker("b")
    assert visit(two, "/stalls/1/", {})["sold"] == 0  # type: ignore[index]
    assert stop_agents(agent)
    buyer: dict[str, str] = {}
    visit(one, "/stalls/1/fail-after-selling/", buyer, "post")
    assert visit(two, "/stalls/1/", buyer)["sold"] == 1  # type: ignore[index]


def test_staleness_is_bounded_when_the_agent_is_stopped(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(CLUSTER_LEASE="0.5")
    writer, agent = cluster.worker("a"), cluster.worker("b")
    reader = cluster.worker("b")
    assert reader("sold(1)") == 0
    assert reader(AGENT) == agent.pid
    agent.kill(signal.SIGSTOP)
    assert writer("sell(1)") == 1
    wait_until(lambda: reader("sold(1)") == 1, what="the lease to lapse or another to take over")


def test_staleness_is_bounded_when_a_writer_is_killed_between_commit_and_news(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(CLUSTER_LEASE="0.5")
    reader, colleague, writer = cluster.worker("b"), cluster.worker("a"), cluster.worker("a")
    assert reader("sold(1)") == colleague("sold(1)") == 0
    writer.start(
        """
import signal
from nothing_shared.node.process import Node
Node.commit = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
sell(1)
"""
    )
    writer.wait_for_end()
    wait_until(lambda: colleague("sold(1)") == 1, what="the same node to forget")
    wait_until(lambda: reader("sold(1)") == 1, what="the other node to forget")
    wait_until(lambda: colleague("process.current().intents.standing()") == 0)


def test_a_node_that_vanishes_after_its_commit_is_a_gap_to_the_others(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(CLUSTER_LEASE="0.5")
    reader, writer = cluster.worker("b"), cluster.worker("a")
    assert reader("sold(1)") == 0
    writer.start(
        """
import signal
from nothing_shared.node.process import Node
Node.commit = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
sell(1)
"""
    )
    writer.wait_for_end()
    wait_until(lambda: reader("sold(1)") == 1, what="the gap to be noticed")
    assert reader("process.current().table.words[layout.GAPS]") >= 1


def test_what_goes_stale_by_choice_ends_with_max_staleness(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(
        CLUSTER_LEASE="0.3",
        CLUSTER_MAX_STALENESS="2.5",
        CLUSTER_CACHE_OPTIONS='{"WHEN_PARTITIONED": "serve"}',
    )
    writer, reader = cluster.worker("a"), cluster.worker("b")
    assert reader("sold(1)") == 0
    # Deaf: the agent's thread is gone, and nobody else stands.
    reader("process.current().agent.stop()")
    assert writer("sell(1)") == 1
    wait_until(lambda: not reader("process.current().table.leased()"), what="the lease to lapse")
    assert reader("tier(1)") == "l1", "it serves what it has"
    wait_until(lambda: reader("sold(1)") == 1, what="MAX_STALENESS to pass")


def test_nothing_on_a_node_is_needed(cluster: Cluster) -> None:
    writer, one, two = cluster.worker("a"), cluster.worker("b"), cluster.worker("b")
    assert one("sold(1)") == two("sold(1)") == 0
    shutil.rmtree(cluster.directory / "node-b")
    assert writer("sell(1)") == 1
    wait_until(lambda: one("sold(1)") == 1 and two("sold(1)") == 1, what="the new table")
    assert one("sold(2)") == two("sold(2)") == 0
    assert writer("sell(2)") == 1
    wait_until(lambda: one("sold(2)") == 1 and two("sold(2)") == 1)
    wait_until(lambda: one("sold(1)") == 1 and one("tier(1)") == "l1", what="hits again")


def test_an_untouched_entry_stays_a_hit_everywhere(cluster: Cluster) -> None:
    workers = [cluster.worker(node) for node in "aabb"]
    for worker in workers:
        worker("tier(1), tier(2), tier(2)")
    assert workers[0]("sell(1)") == 1
    wait_until(lambda: all(worker("sold(1)") == 1 for worker in workers))
    assert [worker("tier(2)") for worker in workers] == ["l1"] * 4


def test_a_forged_ticket_changes_nothing_and_costs_no_error(cluster: Cluster) -> None:
    worker = cluster.worker("a")
    assert visit(worker, "/stalls/1/", {})["tier"] == "miss"  # type: ignore[index]
    before = worker("process.current().table.changed[1]")
    forged = {"ns_ticket_1": "AAAA.BBBB", "ns_ticket_2": "", "ns_ticket_3": "x" * 3000}
    answer = visit(worker, "/stalls/1/", forged)
    assert answer["sold"] == 0  # type: ignore[index]
    assert answer["tier"] == "miss", "what it said can't be known, so nothing cached is shown"  # type: ignore[index]
    assert len(forged) == 1
    assert forged.keys().isdisjoint({"ns_ticket_1", "ns_ticket_2", "ns_ticket_3"}), (
        "a good one is back"
    )
    assert worker("process.current().table.changed[1]") == before
    assert visit(worker, "/stalls/1/", {})["tier"] == "l1"  # type: ignore[index]
