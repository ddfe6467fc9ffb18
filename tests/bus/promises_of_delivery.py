"""What subscribing promises: every node gets every message once, or is told that it did not."""

from __future__ import annotations

import asyncio
import threading

from nothing_shared.bus import Message, subscribe
from nothing_shared.node import layout, process
from tests.bus import acts
from tests.bus.cluster import Cluster, Node
from tests.wait import wait_until

__all__ = ["PromisesOfDelivery"]

EVERY_KIND = [None, True, 0, -1, 2**70, 1.5, "", "grüß dich ☃", [], {}, [1, [2, {"a": [None]}]]]

_go_on = threading.Event()


def handle_slowly() -> None:
    @subscribe("sold")
    def wait(message: Message) -> None:
        _go_on.wait(30)


def handle_again() -> None:
    _go_on.set()


def undelivered() -> int:
    return process.current().table.words[layout.UNDELIVERED]


def handle_badly() -> None:
    @subscribe("sold")
    def fail(message: Message) -> None:
        raise LookupError("a handler that is broken")

    @subscribe("sold")
    async def fail_async(message: Message) -> None:
        raise LookupError("another")


def handle_asynchronously() -> None:
    @subscribe("sold")
    async def note(message: Message) -> None:
        await asyncio.sleep(0)
        acts.heard.append(message)


class PromisesOfDelivery:
    """For :class:`tests.bus.contract.BusContract`."""

    def test_every_node_gets_every_message_once_its_sender_included(self, cluster: Cluster) -> None:
        nodes = [cluster.node(name, "sold") for name in ("north", "south", "west")]
        for number, node in enumerate(nodes):
            node.run(acts.say, "sold", number)
        for node in nodes:
            wait_until(lambda node=node: sorted(node.heard()) == [0, 1, 2], what="all were heard")
        nodes[0].run(acts.say, "sold", "last")
        for node in nodes:
            wait_until(lambda node=node: "last" in node.heard(), what="the last was heard")
            assert sorted(map(str, node.heard())) == ["0", "1", "2", "last"]
            assert node.gaps() == []

    def test_a_node_of_several_workers_gets_every_message_once(self, cluster: Cluster) -> None:
        north, south = cluster.node("north", "sold", workers=3), cluster.node("south", "sold")
        for worker in north.workers:
            worker.run(acts.say, "sold", worker.pid)
        south.run(acts.say, "sold", "last")
        for node in (north, south):
            wait_until(lambda node=node: len(node.heard()) == 4, what="all were heard")
            assert {*node.heard()} == {*(worker.pid for worker in north.workers), "last"}

    def test_the_order_of_each_sender_is_kept(self, cluster: Cluster) -> None:
        nodes = [cluster.node(name, "sold") for name in ("north", "south")]
        for node in nodes:
            node.workers[0].begin(acts.say, "sold", *range(60))
        for node in nodes:
            node.workers[0].result()
        for node in nodes:
            wait_until(lambda node=node: len(node.heard()) == 120, what="all were heard")
            heard = node.run(acts.senders_heard)
            for origin in {origin for origin, _, _ in heard}:
                assert [said for sender, _, said in heard if sender == origin] == [*range(60)]

    def test_a_topic_nobody_subscribed_to_is_heard_by_nobody(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold")
        node.run(acts.say, "bought", 1)
        node.run(acts.say, "sold", 2)
        wait_until(lambda: node.heard() == [2], what="the other topic was heard")

    def test_payloads_arrive_as_json_has_them(self, cluster: Cluster) -> None:
        north, south = cluster.node("north"), cluster.node("south", "sold")
        north.run(acts.say, "sold", *EVERY_KIND, (1, 2), {1: "one"})
        wait_until(lambda: len(south.heard()) == len(EVERY_KIND) + 2, what="all were heard")
        assert south.heard() == [*EVERY_KIND, [1, 2], {"1": "one"}]

    def test_handlers_too_slow_for_their_messages_are_told_of_a_gap(self, cluster: Cluster) -> None:
        node = Node(cluster.base / "north", [cluster.worker("north", "sold", MAX_PENDING=5)])
        node.run(handle_slowly)
        node.hears()
        node.run(acts.say, "sold", *range(20))
        wait_until(lambda: node.run(undelivered) == 20, what="all have come in")
        node.run(handle_again)
        wait_until(lambda: node.run(acts.gaps_told), what="the gap was told")
        assert node.run(acts.gaps_told)[0].reason == "handlers too slow"
        assert node.heard()[:5] == [*range(5)], "what came before the gap is whole"

    def test_a_handler_that_raises_keeps_nobody_from_hearing(self, cluster: Cluster) -> None:
        node = Node(cluster.base / "north", [cluster.worker("north")])
        node.run(handle_badly)
        node.run(acts.join, "sold")
        node.run(acts.say, "sold", 1, 2)
        wait_until(lambda: node.heard() == [1, 2], what="the other handler heard")

    def test_a_handler_may_be_asynchronous(self, cluster: Cluster) -> None:
        node = cluster.node("north")
        node.run(handle_asynchronously)
        node.run(acts.say, "sold", 1, 2)
        wait_until(lambda: node.heard() == [1, 2], what="it was heard")
