"""What every backend of the bus must do. A backend's tests subclass :class:`BusContract`."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import TestCase

from nothing_shared.bus import (
    BusFull,
    Message,
    MessageTooLarge,
    apublish,
    publish,
    subscribe,
)
from nothing_shared.clock import SECOND, boottime_ns
from nothing_shared.node import layout, process, slots
from nothing_shared.node.table import ChangeTable
from tests.bus import acts
from tests.bus.cluster import LEASE, Cluster, Node
from tests.node import acts as node_acts
from tests.node.workers import Workers
from tests.wait import wait_until

__all__ = ["Backend", "BusContract"]

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


@dataclass(frozen=True)
class Backend(ABC):
    """What the contract has to know of a backend: one bus, of this test alone."""

    directory: Path

    replays: ClassVar[bool]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return ``NOTHING_SHARED_BUS``."""

    @abstractmethod
    def small(self) -> dict[str, Any]:
        """Return the same for a bus that is soon full."""


EVERY_KIND = [None, True, 0, -1, 2**70, 1.5, "", "grüß dich ☃", [], {}, [1, [2, {"a": [None]}]]]

_go_on = threading.Event()


def in_transaction(*payloads: Any) -> list[Any]:
    """Publish in a transaction; return what had been sent before its end."""
    with transaction.atomic():
        for payload in payloads:
            publish("sold", payload)
        return sent_so_far()


def sent_so_far() -> list[Any]:
    """Return what this worker heard up to now, its own messages included."""
    count = len(marks())
    publish("mark", None, on_commit=False)
    wait_until(lambda: len(marks()) > count, what="the mark came back")
    return [payload for topic, payload in acts.what_was_heard() if topic == "sold"]


def marks() -> list[str]:
    return [topic for topic, _ in acts.what_was_heard() if topic == "mark"]


def in_rolled_back_transaction(payload: Any) -> None:
    try:
        with transaction.atomic():
            publish("sold", payload)
            raise LookupError
    except LookupError:
        pass


def in_savepoints() -> None:
    """Publish before, in, and after a savepoint that rolls back, and in one that does not."""
    with transaction.atomic():
        publish("sold", "before")
        in_rolled_back_transaction("in the savepoint")
        with transaction.atomic():
            publish("sold", "in the other savepoint")
        publish("sold", "after")


def in_transaction_of(using: str, payload: Any) -> list[Any]:
    with transaction.atomic(using=using):
        publish("sold", payload, using=using)
        publish("sold", "of the default database")
        return sent_so_far()


def at_once_in_transaction(payload: Any) -> list[Any]:
    with transaction.atomic():
        publish("sold", payload, on_commit=False)
        return sent_so_far()


def changed_before_the_commit() -> None:
    payload = {"left": 5}
    with transaction.atomic():
        publish("sold", payload)
        payload["left"] = 4


def failing_after_the_commit() -> list[str]:
    """Publish what can't be sent any more once the transaction commits; return what hooks ran."""
    ran: list[str] = []
    with transaction.atomic():
        publish("sold", "lost")
        transaction.on_commit(lambda: ran.append("another hook"))
        process.current().table.words[layout.SEQUENCE] = 2**64 - 1
    return ran


def in_test_case() -> tuple[int, list[Any], list[Any]]:
    """Publish in a ``TestCase``; return the callbacks captured, and what was sent before and after."""
    found: list[Any] = []

    class Case(TestCase):
        databases = frozenset({"default"})

        def runTest(self) -> None:
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                publish("sold", "captured")
                found.append(sent_so_far())
            found.insert(0, len(callbacks))
            found.append(sent_so_far())

    Case.setUpClass()
    try:
        Case().debug()
    finally:
        Case.tearDownClass()
    return found[0], found[1], found[2]


def asynchronously(payload: Any) -> None:
    asyncio.run(apublish("sold", payload))


def refused(topic: str, payload: Any, *, in_block: bool = False) -> str:
    """Return the name of what publishing raised."""
    try:
        if not in_block:
            publish(topic, payload)
        else:
            with transaction.atomic():
                publish(topic, payload)
    except Exception as failure:
        return type(failure).__name__
    return ""


def refused_in_transaction(topic: str, payload: Any) -> str:
    return refused(topic, payload, in_block=True)


def too_large() -> str:
    return "x" * 2**24


def say_too_much() -> list[str]:
    return [refused("sold", too_large()), refused_in_transaction("sold", too_large())]


def say_many_in_a_transaction(count: int) -> str:
    try:
        with transaction.atomic():
            for number in range(count):
                publish("sold", number)
    except BusFull as failure:
        return str(failure)
    return ""


def say_until_full(topic: str, most: int) -> int:
    """Publish until the bus is full; return how many messages that took, or 0."""
    for number in range(1, most + 1):
        try:
            publish(topic, "x" * 5_000)
        except BusFull:
            return number
        except MessageTooLarge:
            raise AssertionError("the test's messages are too large for this backend") from None
    return 0


def change_many_times(count: int) -> bool:
    return all(node_acts.change(EVENT, USER) for _ in range(count))


def handle_slowly() -> None:
    @subscribe("sold")
    def wait(message: Message) -> None:
        _go_on.wait(30)


def handle_again() -> None:
    _go_on.set()


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


def fork_and_say(children: int, each: int) -> list[int]:
    """Have forked children publish; return their exit codes."""
    import os

    process.current()
    pids = []
    for number in range(children):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                for count in range(each):
                    publish("sold", [number, count])
                process.close()
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def table_of(node: Node) -> ChangeTable:
    """Return a node's change table, whose workers may be stopped or dead."""
    return ChangeTable(node.directory)


def lapse(node: Node, within: float) -> float:
    """Wait until a node's lease has lapsed and return how much of it was left at first, in seconds."""
    table = table_of(node)
    left = (table.words[layout.LEASE_UNTIL] - boottime_ns()) / SECOND
    assert left <= within
    wait_until(lambda: not table.leased(), what="the lease lapses")
    return left


class BusContract:
    """Every promise that :class:`~nothing_shared.bus.backends.base.BaseBus` makes."""

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[Backend]:
        raise NotImplementedError

    @pytest.fixture
    def cluster(self, backend: Backend, workers: Workers, tmp_path: Path) -> Cluster:
        return Cluster(workers, tmp_path, bus=backend.settings())

    # Delivery

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

    def test_a_message_published_asynchronously_arrives(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold")
        node.run(asynchronously, "later")
        wait_until(lambda: node.heard() == ["later"], what="it was heard")

    # Transactions

    def test_outside_a_transaction_a_message_is_sent_at_once(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        node.run(acts.say, "sold", 1)
        assert node.run(sent_so_far) == [1]

    def test_in_a_transaction_it_waits_for_the_commit(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        assert node.run(in_transaction, 1, 2) == []
        assert node.run(sent_so_far) == [1, 2]

    def test_a_rollback_sends_nothing(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        node.run(in_rolled_back_transaction, 1)
        assert node.run(sent_so_far) == []

    def test_a_savepoint_that_rolls_back_takes_its_messages_along(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        node.run(in_savepoints)
        assert node.run(sent_so_far) == ["before", "in the other savepoint", "after"]

    def test_it_waits_for_the_commit_of_the_database_that_was_named(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        assert node.run(in_transaction_of, "other", 1) == ["of the default database"]
        assert node.run(sent_so_far) == ["of the default database", 1]

    def test_it_waits_for_nothing_where_that_is_asked(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        assert node.run(at_once_in_transaction, 1) == [1]

    def test_what_the_caller_changes_before_the_commit_is_not_sent(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        node.run(changed_before_the_commit)
        assert node.run(sent_so_far) == [{"left": 5}]

    def test_a_message_that_fails_after_the_commit_keeps_no_other_hook_from_running(
        self, cluster: Cluster
    ) -> None:
        node = cluster.node("north", "sold")
        assert node.run(failing_after_the_commit) == ["another hook"]

    def test_a_test_case_captures_it(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        assert node.run(in_test_case) == (1, [], ["captured"])

    # Refusals

    @pytest.mark.parametrize("payload", [b"bytes", {1, 2}, float("nan"), {(1, 2): 3}])
    def test_what_is_not_json_is_refused_at_once(self, cluster: Cluster, payload: Any) -> None:
        node = cluster.node("north")
        assert node.run(refused, "sold", payload) == "TypeError"
        assert node.run(refused_in_transaction, "sold", payload) == "TypeError"

    def test_what_is_too_large_is_refused_at_once_and_the_bus_goes_on(
        self, cluster: Cluster
    ) -> None:
        node = cluster.node("north", "sold")
        assert node.run(say_too_much) == ["MessageTooLarge", "MessageTooLarge"]
        node.run(acts.say, "sold", 1)
        wait_until(lambda: node.heard() == [1], what="the next was heard")
        assert node.gaps() == []

    def test_reserved_topics_are_refused(self, cluster: Cluster) -> None:
        assert cluster.node("north").run(refused, "nothing_shared.change", {}) == "ValueError"

    def test_too_much_that_waits_for_one_commit_is_refused(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold", "mark")
        assert "wait for this transaction" in node.run(say_many_in_a_transaction, 1001)
        assert node.run(sent_so_far) == []

    def test_a_full_bus_refuses_the_sites_messages_and_carries_changes_as_a_declared_gap(
        self, cluster: Cluster, backend: Backend
    ) -> None:
        cluster.bus = backend.small()
        north = cluster.node("north", "sold", lease=30.0)
        south = cluster.node("south", "sold", lease=30.0)
        south.stop()
        assert north.run(say_until_full, "sold", 1000)
        before = north.run(node_acts.now)
        assert north.run(change_many_times, 400)
        south.go_on()
        wait_until(south.gaps, what="the gap was declared")
        assert south.run(node_acts.changed, EVENT) > before
        wait_until(lambda: south.run(acts.gaps_told), what="the site's handlers were told")

    # Handlers

    def test_handlers_too_slow_for_their_messages_are_told_of_a_gap(self, cluster: Cluster) -> None:
        node = Node(cluster.base / "north", [cluster.worker("north", "sold", MAX_PENDING=5)])
        node.run(handle_slowly)
        node.hears()
        node.run(acts.say, "sold", *range(20))
        node.run(handle_again)
        wait_until(lambda: node.run(acts.gaps_told), what="the gap was told")
        assert node.run(acts.gaps_told)[0].reason == "handlers too slow"
        assert node.heard() == [*range(len(node.heard()))], "what came before the gap is whole"

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

    # Nodes that come and go

    def test_a_change_on_one_node_is_applied_on_every_other(self, cluster: Cluster) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        before = south.run(node_acts.now)
        assert north.run(node_acts.change, EVENT)
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")
        assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"

    def test_a_node_that_exits_cleanly_is_no_gap(self, cluster: Cluster) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south")
        north.leave()
        epochs = south.run(node_acts.epochs)
        left = south.run(node_acts.lease_left)
        wait_until(lambda: south.run(node_acts.lease_left) > left, what="the lease goes on")
        cluster.node("west")
        assert south.gaps() == []
        assert south.run(node_acts.epochs) == epochs

    def test_a_node_that_is_killed_entirely_is_a_gap_to_all_others(
        self, cluster: Cluster, record_property: Callable[[str, object], None]
    ) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south", "sold")
        before = south.run(node_acts.now)
        north.kill()
        began = monotonic()
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="all is forgotten")
        took = monotonic() - began
        record_property("a node killed to forgotten, seconds", round(took, 3))
        print(f"killed node to everything forgotten, lease {LEASE} s: {took:.3f} s")
        wait_until(south.gaps, what="the gap was declared")
        wait_until(lambda: south.run(acts.gaps_told), what="the site's handlers were told")
        assert took < LEASE + 3

    def test_a_worker_that_is_killed_is_no_gap_while_another_of_its_node_lives(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north", "sold", workers=2), cluster.node("south", "sold")
        killed = north.agent()
        north.workers.remove(killed)
        killed.kill()
        north.agent()
        south.run(acts.say, "sold", 1)
        for node in (north, south):
            wait_until(lambda node=node: node.heard() == [1], what="it was heard")
            assert node.gaps() == []

    def test_a_restarted_node_takes_up_where_it_left_off_or_forgets_everything(
        self, cluster: Cluster, backend: Backend
    ) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        south.leave()
        before = north.run(node_acts.now)
        north.run(node_acts.change, EVENT)
        south = cluster.node("south")
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was applied")
        if backend.replays:
            assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"
            assert south.gaps() == []

    # The lease

    def test_the_lease_of_a_stopped_node_lapses_and_so_does_everybodys(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        north.stop()
        print(f"left of a lease of {LEASE} s at the stop: {lapse(north, LEASE):.3f} s, "
              f"at its peer: {lapse(south, LEASE):.3f} s")  # fmt: skip
        north.go_on()
        north.hears()
        south.hears()

    def test_a_stopped_agent_s_lease_goes_on_with_its_heir(self, cluster: Cluster) -> None:
        north = cluster.node("north", workers=2)
        stopped = north.agent()
        stopped.stop()
        north.workers.remove(stopped)
        (heir,) = north.workers
        wait_until(lambda: heir.run(node_acts.is_agent), what="the other one leads")
        north.hears()
        stopped.go_on()

    def test_a_node_that_left_is_not_waited_for(self, cluster: Cluster) -> None:
        north, south = cluster.node("north"), cluster.node("south")
        north.leave()
        until = boottime_ns() + int(LEASE * SECOND)
        table = table_of(south)
        wait_until(lambda: table.words[layout.LEASE_UNTIL] > until, what="the lease is extended")

    # Writers that die or stall

    def test_what_a_killed_writer_intended_is_heard_by_all(
        self, cluster: Cluster, record_property: Callable[[str, object], None]
    ) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south")
        agent = north.agent()
        (writer,) = [worker for worker in north.workers if worker is not agent]
        writer.run(node_acts.intend, EVENT)
        before = south.run(node_acts.now)
        writer.kill()
        began = monotonic()
        wait_until(lambda: south.run(node_acts.changed, EVENT) > before, what="it was heard")
        took = monotonic() - began
        record_property("an intent of a killed writer to applied elsewhere, seconds", took)
        print(f"killed writer to applied on the other node, lease {LEASE} s: {took:.3f} s")
        assert took < LEASE + 3
        assert south.run(node_acts.changed, USER) < before, "nothing else was forgotten"
        wait_until(lambda: agent.run(node_acts.standing) == 0, what="the intent was buried")

    def test_what_a_stalled_writer_intends_is_said_again_and_again_until_it_is_cleared(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north", workers=2), cluster.node("south")
        agent = north.agent()
        (writer,) = [worker for worker in north.workers if worker is not agent]
        writer.run(node_acts.intend, EVENT)
        writer.stop()
        for _ in range(3):
            before = south.run(node_acts.now)
            wait_until(lambda before=before: south.run(node_acts.changed, EVENT) > before)
        writer.go_on()
        writer.run(node_acts.clear)
        assert agent.run(node_acts.standing) == 0

    # Forks

    def test_eight_forks_of_a_preloaded_master_publish_and_nothing_is_lost(
        self, cluster: Cluster
    ) -> None:
        north, south = cluster.node("north", "sold"), cluster.node("south", "sold")
        assert north.run(fork_and_say, 8, 5) == [0] * 8
        expected = sorted([number, count] for number in range(8) for count in range(5))
        wait_until(lambda: len(south.heard()) >= 40, what="all were heard")
        assert sorted(south.heard()) == expected
        assert south.gaps() == []
        for number in range(8):
            assert [count for child, count in south.heard() if child == number] == [*range(5)]

    def test_a_bus_that_does_not_exist_is_a_matter_of_configuration(self, settings: Any) -> None:
        from nothing_shared.bus.process import current

        settings.NOTHING_SHARED_BUS = {"BACKEND": "nothing_shared.bus.backends.pigeon.PigeonBus"}
        with pytest.raises(ImproperlyConfigured, match="pigeon"):
            current()
