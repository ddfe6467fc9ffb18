"""Nodes of a benchmark: real processes, told over a pipe what to do."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.benchmarks.site import set_up

__all__ = ["Worker", "agent_of", "worker_of"]

_context = multiprocessing.get_context("spawn")

PATIENCE = 120.0


class Worker:
    """A worker process of a node."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def run(self, act: Callable[..., Any], *args: Any) -> Any:
        """Run a function of this module there, and return what it returns."""
        self._pipe.send((act, args))
        if not self._pipe.poll(PATIENCE):
            raise AssertionError(f"{act.__name__} took over {PATIENCE} s")
        return self._pipe.recv()


@contextmanager
def worker_of(node: str, directory: Path) -> Iterator[Worker]:
    """Run a worker, and have it leave in an orderly way."""
    pipe, theirs = _context.Pipe()
    with _process(_serve, theirs, directory, node):
        theirs.close()
        yield Worker(pipe)
        pipe.close()


@contextmanager
def agent_of(node: str, directory: Path) -> Iterator[None]:
    """Run ``manage.py node_agent``; start it before the node's workers."""
    with _process(_be_agent, directory, node) as process:
        yield
        process.terminate()


@contextmanager
def _process(target: Callable[..., None], *args: Any) -> Iterator[Any]:
    process = _context.Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()


def _serve(pipe: Connection, directory: Path, node: str) -> None:
    set_up(directory, node=node)
    while True:
        try:
            act, args = pipe.recv()
        except EOFError:
            break
        pipe.send(act(*args))
    _leave()


def _be_agent(directory: Path, node: str) -> None:
    from io import StringIO

    from django.core.management import call_command

    set_up(directory, node=node)
    call_command("node_agent", stdout=StringIO())


def _leave() -> None:
    from nothing_shared.node import process

    process.close()


# What workers are told to do: -------------------------------------------------------------------


def join() -> int:
    """Open the node, and return how often it has forgotten everything so far."""
    from nothing_shared.node import layout, process

    return process.current().table.words[layout.EPOCHS]


def make_stalls(count: int) -> None:
    from django.core.management import call_command

    from tests.cluster.fair.models import Stall

    call_command("migrate", run_syncdb=True, verbosity=0)
    Stall.objects.bulk_create(Stall(pk=pk, name=f"stall {pk}") for pk in range(1, count + 1))


def cache_stalls(count: int) -> int:
    """Cache each stall on this node, and return how many of them are hits."""
    from django.core.cache import cache

    from nothing_shared.causality import scope
    from tests.cluster.fair.models import Stall

    for pk in range(1, count + 1):
        with scope():
            cache.get_or_set(f"sold:{pk}", lambda pk=pk: Stall.objects.get(pk=pk).sold, 3600)
    return count_hits(count)


def count_hits(count: int) -> int:
    from django.core.cache import cache

    from nothing_shared.causality import scope

    found = 0
    for pk in range(1, count + 1):
        with scope():
            found += cache.get(f"sold:{pk}") is not None
    return found


def sell(pks: Sequence[int], interval: float) -> list[int]:
    """Write one row after the other, and return when each COMMIT was about to be sent."""
    from django.db import transaction
    from django.db.models import F

    from nothing_shared.causality import scope
    from nothing_shared.clock import boottime_ns
    from tests.cluster.fair.models import Stall

    sent = []
    due = time.monotonic()
    for pk in pks:
        due += interval
        threading.Event().wait(max(due - time.monotonic(), 0))
        with scope(), transaction.atomic():
            Stall.objects.filter(pk=pk).update(sold=F("sold") + 1)
            sent.append(boottime_ns())
    return sent


def changed_at(pks: Sequence[int]) -> list[int]:
    """Return when this node's change table last heard of each row."""
    from nothing_shared.node import process, slots
    from tests.cluster.fair.models import Stall

    table = process.current().table
    name = Stall._meta.db_table
    return [table.changed[table.index(slots.row("default", name, pk))] for pk in pks]


def be_busy() -> None:
    """Keep a thread of this worker computing for as long as the process lives."""
    threading.Thread(target=_compute, daemon=True).start()


def _compute() -> None:
    while True:
        sum(number * number for number in range(1000))
