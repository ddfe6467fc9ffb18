"""The recipe of the documentation, with a real worker between sender and task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, Task
from celery.contrib.testing.worker import start_worker
from django.db import connections

from nothing_shared.pinning import served, ticket, use_ticket
from tests.pinning.local import ALIAS, Client, count, make, warm
from tests.servers import Replication

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("pinned"),
    pytest.mark.filterwarnings("ignore"),  # of Celery's own
]


class TicketTask(Task):  # type: ignore[misc]
    """As in docs/how-to/read-your-writes-in-a-task.md."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        headers = {**(options.pop("headers", None) or {}), "ns_ticket": ticket()}
        return super().apply_async(args, kwargs, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        headers = self.request.headers or {}
        with use_ticket(self.request.get("ns_ticket") or headers.get("ns_ticket")):
            return super().__call__(*args, **kwargs)


app = Celery("site", broker="memory://", backend="cache+memory://", task_cls=TicketTask)
app.conf.update(worker_hijack_root_logger=False)


@app.task  # type: ignore[untyped-decorator]
def counted() -> list[Any]:
    try:
        return [count(), sorted(served())]
    finally:
        connections.close_all()


@pytest.fixture
def worker(pinned: Replication) -> Iterator[None]:
    with start_worker(app, pool="solo", perform_ping_check=False):
        yield


def test_p17_a_celery_task_sees_what_its_request_has_written(
    pinned: Replication, worker: None
) -> None:
    warm()
    for replica in pinned.replicas:
        replica.pause()
    expected = count() + 1
    result = Client().post(lambda: (make("Ursula"), counted.delay())[1])
    assert result.get(timeout=60) == [expected, [ALIAS]]


def test_p17_a_celery_task_reads_from_a_replica_that_has_caught_up(
    pinned: Replication, worker: None
) -> None:
    text = Client().post(lambda: (make("Ursula"), ticket())[1])
    pinned.wait_until_caught_up()
    with use_ticket(text):
        result = counted.delay()
    assert all("@" in name for name in result.get(timeout=60)[1])
