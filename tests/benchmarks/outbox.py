"""What publishing through PostgresBus costs a site's transactions, where many write at a time."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings

from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.site import describe, home
from tests.servers import PostgreSQLServer, postgresql

TITLE = "Transactions of one INSERT, alone and with publish() in them: commits a second"

WRITERS, ROUNDS, SECONDS = 16, 5, 2.0

DURABLE = ("-cfsync=on", "-csynchronous_commit=on", "-cfull_page_writes=on")

_context = multiprocessing.get_context("fork")


def run(report: Report, quick: bool) -> None:
    writers, rounds, seconds = (4, 1, 0.3) if quick else (WRITERS, ROUNDS, SECONDS)
    with ExitStack() as stack:
        directory = stack.enter_context(home())
        server = stack.enter_context(postgresql(*DURABLE))
        report.say(describe(directory), f"{writers} writers, fsync and synchronous_commit on", "")
        with worker_of("maker", directory, server) as maker:
            tell([maker], make_tables)
        # The agents run beside the writers, of which each has a process.
        nodes = [stack.enter_context(worker_of(name, directory, server)) for name in "ab"]
        tell(nodes, join)
        pipes = [stack.enter_context(worker_of("a", directory, server)) for _ in range(writers)]
        tell(pipes, write, False, 0.2)
        tell(pipes, write, True, 0.2)
        judge(report, [measure(pipes, seconds) for _ in range(rounds)], nodes)


def measure(pipes: list[Connection], seconds: float) -> tuple[float, float, float]:
    """Return commits a second of transactions without and with a message, and then without again."""
    before, between, after = (
        sum(tell(pipes, write, publishing, seconds)) / seconds
        for publishing in (False, True, False)
    )
    return before, between, after


def judge(report: Report, found: list[tuple[float, float, float]], nodes: list[Connection]) -> None:
    head = ["round", "INSERT", "and publish()", "INSERT again", "ratio"]
    ratios = [between / ((before + after) / 2) for before, between, after in found]
    rows = [
        [str(number), *(f"{figure:,.0f}" for figure in figures), f"{ratio:.2f}"]
        for number, (figures, ratio) in enumerate(zip(found, ratios, strict=True), 1)
    ]
    report.say(*table(head, rows), "")
    report.figures["rows"] = [dict(zip(head, row, strict=True)) for row in rows]
    report.judge(
        Target("commits with a message, of those without", median(ratios), 0.70, is_floor=True),
        Target("gaps that the nodes declared", sum(tell(nodes, count_gaps)), 0),
    )


# Processes --------------------------------------------------------------------------------------


@contextmanager
def worker_of(node: str, directory: Path, server: PostgreSQLServer) -> Iterator[Connection]:
    pipe, theirs = _context.Pipe()
    process = _context.Process(target=serve, args=(theirs, node, directory, server), daemon=True)
    process.start()
    theirs.close()
    try:
        yield pipe
    finally:
        pipe.send(None)
        process.join(10)


def tell(pipes: list[Connection], act: Callable[..., Any], *args: Any) -> list[Any]:
    """Have all do something at once; return what each returned."""
    for pipe in pipes:
        pipe.send((act, args))
    return [pipe.recv() for pipe in pipes]


def serve(pipe: Connection, node: str, directory: Path, server: PostgreSQLServer) -> None:
    import django

    settings.configure(
        SECRET_KEY="for benchmarks only, and long enough to pass every check that Django makes",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["nothing_shared.node", "nothing_shared.bus"],
        DATABASES={"default": server.settings()},
        NOTHING_SHARED_NODE={"DIRECTORY": directory / f"node-{node}", "NAME": node},
        NOTHING_SHARED_BUS={"BACKEND": "nothing_shared.bus.backends.postgres.PostgresBus"},
    )
    django.setup()
    while (told := pipe.recv()) is not None:
        act, args = told
        pipe.send(act(*args))
    from nothing_shared.node import process

    process.close()


# What they are told to do: ----------------------------------------------------------------------


def make_tables() -> None:
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE sale (id bigserial PRIMARY KEY, what text NOT NULL)")


def join() -> None:
    """Become the node's agent, and wait until it hears the bus."""
    from nothing_shared.node import process
    from tests.wait import wait_until

    wait_until(process.current().table.leased, what="the node is leased")


def write(publishing: bool, seconds: float) -> int:
    """Commit for so long; return how often."""
    from django.db import connection, transaction

    from nothing_shared.bus import publish

    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO sale (what) VALUES ('a ticket for the stalls')")
            if publishing:
                publish("sold", {"sale": count})
        count += 1
    return count


def count_gaps() -> int:
    from nothing_shared.node import layout, process

    return process.current().table.words[layout.GAPS]


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
