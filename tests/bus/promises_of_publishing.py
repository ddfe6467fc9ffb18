"""What publishing promises: when a message is sent, and when it is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase

from nothing_shared.bus import BusFull, MessageTooLarge, apublish, publish
from nothing_shared.node import layout, process, slots
from tests.bus import acts
from tests.bus.cluster import Backend, Cluster
from tests.node import acts as node_acts
from tests.wait import wait_until

__all__ = ["PromisesOfPublishing"]

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


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


class PromisesOfPublishing:
    """For :class:`tests.bus.contract.BusContract`."""

    # When a message is sent

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

    def test_a_message_published_asynchronously_arrives(self, cluster: Cluster) -> None:
        node = cluster.node("north", "sold")
        node.run(asynchronously, "later")
        wait_until(lambda: node.heard() == ["later"], what="it was heard")

    # What is refused

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

    def test_topics_that_are_reserved_or_fit_no_broker_are_refused(self, cluster: Cluster) -> None:
        for topic in ("nothing_shared.change", "a\0b"):
            assert cluster.node("north").run(refused, topic, {}) == "ValueError"

    def test_too_much_that_waits_for_one_commit_is_refused(
        self, cluster: Cluster, backend: Backend
    ) -> None:
        node = cluster.node("north", "sold", "mark")
        if backend.is_transactional:  # nothing waits
            assert node.run(say_many_in_a_transaction, 1001) == ""
            assert node.run(sent_so_far) == [*range(1001)]
            return
        assert "wait for this transaction" in node.run(say_many_in_a_transaction, 1001)
        assert node.run(sent_so_far) == []

    def test_a_full_bus_refuses_the_sites_messages_and_carries_changes_as_a_declared_gap(
        self, cluster: Cluster, backend: Backend
    ) -> None:
        cluster.bus = backend.small()
        north = cluster.node("north", "sold", lease=30.0)
        south = cluster.node("south", "sold", lease=30.0)
        with backend.clogged(south):
            assert north.run(say_until_full, "sold", 1000)
            before = north.run(node_acts.now)
            assert north.run(change_many_times, 400)
        wait_until(south.gaps, what="the gap was declared")
        assert south.run(node_acts.changed, EVENT) > before
        wait_until(lambda: south.run(acts.gaps_told), what="the site's handlers were told")
