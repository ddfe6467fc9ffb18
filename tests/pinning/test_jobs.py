"""Tasks and services see what whoever sent them has written."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from django.db import connections, transaction

from nothing_shared.causality import scope
from nothing_shared.pinning import served, ticket, use_ticket
from tests.pinning.local import ALIAS, Client, authors, count, make, node_at, warm
from tests.servers import Replication

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("pinned")]

Result = TypeVar("Result")


@pytest.fixture
def paused(pinned: Replication) -> Replication:
    warm()
    for replica in pinned.replicas:
        replica.pause()
    return pinned


def in_worker(work: Callable[[], Result]) -> Result:
    """Run something in a thread that knows of no request, as a worker's does."""
    done: list[Result] = []

    def run() -> None:
        done.append(work())
        connections.close_all()

    thread = threading.Thread(target=contextvars.Context().run, args=(run,))
    thread.start()
    thread.join()
    return done[0]


def counted(text: str | None) -> tuple[int, dict[str, int]]:
    with use_ticket(text):
        return count(), served()


def test_p17_a_task_sees_what_the_request_that_sent_it_has_written(
    paused: Replication, tmp_path: Path
) -> None:
    before, client = count(), Client()
    text = client.post(lambda: (make("Ursula"), ticket())[1])
    with node_at(tmp_path / "worker"):
        found, by = in_worker(lambda: counted(text))
    assert found == before + 1
    assert by == {ALIAS: 1}


def test_p17_a_task_with_a_ticket_that_replicas_are_past_reads_from_them(
    pinned: Replication,
) -> None:
    text = Client().post(lambda: (make("Ursula"), ticket())[1])
    pinned.wait_until_caught_up()
    _, by = in_worker(lambda: counted(text))
    assert ALIAS not in by


@pytest.mark.parametrize("text", [None, "", "forged"])
def test_p17_a_task_without_a_ticket_reads_from_the_primary(
    paused: Replication, text: str | None
) -> None:
    make("Ursula")
    assert in_worker(lambda: counted(text)) == (count(), {ALIAS: 1})


def test_p17_a_ticket_from_an_open_transaction_sends_its_reader_to_the_primary(
    paused: Replication, tmp_path: Path
) -> None:
    with scope():
        with transaction.atomic(using=ALIAS):
            make("Ursula")
            text = ticket()
        before = count()
    with node_at(tmp_path / "worker"):
        assert in_worker(lambda: counted(text)) == (before, {ALIAS: 1})


def test_p17_what_a_task_writes_goes_on_in_its_own_ticket(
    paused: Replication, tmp_path: Path
) -> None:
    def task() -> str:
        with use_ticket(Client().post(lambda: (make("first"), ticket())[1])):
            make("second")
            return ticket()

    before = count()
    text = in_worker(task)
    with node_at(tmp_path / "worker"):
        assert in_worker(lambda: counted(text))[0] == before + 2


def test_p17_a_function_can_be_run_with_a_ticket_each_time(pinned: Replication) -> None:
    text = Client().post(lambda: (make("Ursula"), ticket())[1])
    pinned.wait_until_caught_up()

    @use_ticket(text)
    def task() -> dict[str, int]:
        count()
        return served()

    assert in_worker(lambda: [ALIAS in task(), ALIAS in task()]) == [False, False]


def test_p16_a_ticket_holds_for_all_that_its_block_starts(paused: Replication) -> None:
    text = Client().post(lambda: (make("Ursula"), ticket())[1])

    async def main() -> list[int]:
        with use_ticket(text):
            tasks = [asyncio.create_task(authors.acount()) for _ in range(3)]
            return [*await asyncio.gather(*tasks), await asyncio.to_thread(in_thread)]

    def in_thread() -> int:
        found = count()
        connections.close_all()
        return found

    expected = count()
    assert contextvars.Context().run(asyncio.run, main()) == [expected] * 4


def test_p16_tickets_never_leave_their_block(paused: Replication) -> None:
    text = Client().post(lambda: (make("Ursula"), ticket())[1])

    def work() -> dict[str, int]:
        with use_ticket(text):
            count()
        with scope():
            count()
            return served()

    assert in_worker(work) == {ALIAS: 1}
