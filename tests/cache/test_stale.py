"""``serve_stale``: one computes anew, the others have the old value meanwhile; never for too long."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from nothing_shared.cache import cached, invalidate, trace
from nothing_shared.cache.backends import MachineCache
from nothing_shared.cache.signals import stale_served
from nothing_shared.causality.scopes import begin, current
from nothing_shared.node import process, slots
from tests.wait import wait_until

PATIENCE = 20


class Failed(Exception):
    pass


class Source:
    """What a cache stands before: it can be slow, and it can fail."""

    def __init__(self) -> None:
        self.value = "first"
        self.asked = 0
        self.fails = False
        self.is_asked = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def load(self) -> str:
        self.asked += 1
        self.is_asked.set()
        value = self.value
        assert self.goes_on.wait(PATIENCE)
        if self.fails:
            raise Failed
        return value

    def change(self, value: str) -> None:
        self.value = value
        invalidate("source")
        begin()


@pytest.fixture
def source() -> Source:
    return Source()


def look(cache: MachineCache, source: Source, **options: Any) -> tuple[str, str]:
    begin()
    with trace() as outcomes:
        value = cache.get_or_set(
            "k", source.load, 60, depends_on=["source"], serve_stale=True, **options
        )
    return value, outcomes[-1].tier


@contextmanager
def refreshing(cache: MachineCache, source: Source) -> Iterator[list[tuple[str, str]]]:
    """Have another thread compute the value anew for as long as the block runs."""
    source.goes_on.clear()
    source.is_asked.clear()
    answers: list[tuple[str, str]] = []
    thread = threading.Thread(target=lambda: answers.append(look(cache, source)))
    thread.start()
    try:
        assert source.is_asked.wait(PATIENCE)
        yield answers
    finally:
        source.goes_on.set()
        thread.join()


def test_one_computes_and_the_others_have_the_old_value_without_waiting(
    cache: MachineCache, source: Source
) -> None:
    assert look(cache, source) == ("first", "miss")
    source.change("second")
    with refreshing(cache, source) as answers:
        assert [look(cache, source) for _ in range(5)] == [("first", "stale")] * 5
        assert not answers, "it computes still"
    assert answers == [("second", "miss")]
    assert source.asked == 2
    assert look(cache, source) == ("second", "l1")


def test_the_async_twin_does_not_wait_either(cache: MachineCache, source: Source) -> None:
    look(cache, source)
    source.change("second")

    async def find() -> str:
        begin()
        value = await cache.aget_or_set(
            "k", source.load, 60, depends_on=["source"], serve_stale=True
        )
        return str(value)

    with refreshing(cache, source):
        assert asyncio.run(find()) == "first"
    assert asyncio.run(find()) == "second"


def test_without_it_the_others_wait(cache: MachineCache, source: Source) -> None:
    look(cache, source)
    source.change("second")
    waiting: list[str] = []

    def wait() -> None:
        begin()
        waiting.append(cache.get_or_set("k", source.load, 60, depends_on=["source"]))

    with refreshing(cache, source):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not waiting
    thread.join()
    assert waiting == ["second"]
    assert source.asked == 2


def test_an_expired_value_is_an_old_one_too(cache: MachineCache, source: Source) -> None:
    @cached(0.05, key="k", serve_stale=True)
    def value() -> str:
        return source.load()

    assert value() == "first"
    source.value = "second"
    wait_until(lambda: (begin(), cache.get("cached:k"))[1] is None, what="the value to expire")
    with refreshing_function(value, source):
        begin()
        assert value() == "first"
    begin()
    assert value() == "second"


@contextmanager
def refreshing_function(function: Callable[[], str], source: Source) -> Iterator[None]:
    source.goes_on.clear()
    source.is_asked.clear()
    thread = threading.Thread(target=function)
    thread.start()
    try:
        assert source.is_asked.wait(PATIENCE)
        yield
    finally:
        source.goes_on.set()
        thread.join()


# When computing fails -----------------------------------------------------------------------------


def test_when_computing_fails_the_old_value_is_served_and_the_failure_is_logged(
    cache: MachineCache, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    reasons: list[str] = []

    def note(sender: Any, name: str, reason: str, **kwargs: Any) -> None:
        reasons.append(reason)

    stale_served.connect(note)
    look(cache, source)
    source.change("second")
    source.fails = True
    with caplog.at_level(logging.ERROR, "nothing_shared.cache"):
        assert look(cache, source) == ("first", "stale")
    assert isinstance(caplog.records[-1].exc_info[1], Failed)  # type: ignore[index]
    assert reasons == ["error"]
    source.fails = False
    assert look(cache, source) == ("second", "miss")


def test_when_computing_fails_and_there_is_no_old_value_the_caller_is_told(
    cache: MachineCache, source: Source
) -> None:
    source.fails = True
    with pytest.raises(Failed):
        look(cache, source)


def test_without_it_a_failure_is_the_callers(cache: MachineCache, source: Source) -> None:
    look(cache, source)
    source.change("second")
    source.fails = True
    with pytest.raises(Failed):
        cache.get_or_set("k", source.load, 60, depends_on=["source"])


def test_only_errors_are_met_with_an_old_value(cache: MachineCache, source: Source) -> None:
    look(cache, source)
    source.change("second")

    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_set("k", interrupted, 60, depends_on=["source"], serve_stale=True)


# Where it ends ------------------------------------------------------------------------------------


def test_it_ends_with_max_staleness(
    cache: MachineCache, source: Source, node: process.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(cache, source)
    source.change("second")
    source.fails = True
    now = node.table.clock()
    monkeypatch.setattr(node.table, "clock", lambda: now + 19 * 10**9)
    assert look(cache, source) == ("first", "stale")
    monkeypatch.setattr(node.table, "clock", lambda: now + 21 * 10**9)
    with pytest.raises(Failed):
        look(cache, source)


def test_it_is_refused_to_a_client_whose_ticket_names_what_it_depends_on(
    cache: MachineCache, source: Source
) -> None:
    look(cache, source)
    source.change("second")
    source.fails = True

    def ask(*ticketed: int) -> str:
        begin().ticketed = frozenset(ticketed)
        return str(cache.get_or_set("k", source.load, 60, depends_on=["source"], serve_stale=True))

    assert ask(slots.name("something else")) == "first"
    with pytest.raises(Failed):
        ask(slots.name("source"))
    with pytest.raises(Failed):
        ask(slots.EPOCH)


def test_it_is_refused_to_the_request_that_made_it_old(cache: MachineCache, source: Source) -> None:
    look(cache, source)
    source.fails = True
    begin()
    invalidate("source")
    with pytest.raises(Failed):
        cache.get_or_set("k", source.load, 60, depends_on=["source"], serve_stale=True)


def test_it_is_refused_to_a_client_whose_ticket_can_t_be_read(
    cache: MachineCache, source: Source
) -> None:
    look(cache, source)
    source.change("second")
    source.fails = True
    begin().refuse_cached()
    with pytest.raises(Failed):
        cache.get_or_set("k", source.load, 60, depends_on=["source"], serve_stale=True)


@pytest.mark.django_db(transaction=True)
def test_it_is_refused_in_a_transaction_that_changed_what_it_depends_on(
    cache: MachineCache, source: Source
) -> None:
    look(cache, source)
    source.fails = True
    begin()
    with transaction.atomic():
        invalidate("source")
        current().ticketed = frozenset()
        with pytest.raises(Failed):
            cache.get_or_set("k", source.load, 60, depends_on=["source"], serve_stale=True)


def test_what_is_computed_from_an_old_value_is_not_kept(
    cache: MachineCache, source: Source
) -> None:
    look(cache, source)
    source.change("second")

    def outer() -> str:
        begin()
        return str(cache.get_or_set("outer", lambda: f"<{look_within()}>", 60))

    def look_within() -> str:
        return str(cache.get_or_set("k", source.load, 60, depends_on=["source"], serve_stale=True))

    with refreshing(cache, source):
        assert outer() == "<first>"
    assert outer() == "<second>"


def test_after_everything_was_forgotten_old_values_tide_over(
    cache: MachineCache, source: Source, node: process.Node
) -> None:
    """A wipe is no stampede."""
    look(cache, source)
    node.table.forget_everything()
    with refreshing(cache, source):
        assert look(cache, source) == ("first", "stale")
    assert look(cache, source) == ("first", "l1")
