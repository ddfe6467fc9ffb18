"""What replicas serve, beside packages that pin by time, and what it costs to decide."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.benchmarks.report import Report, Target, main, table
from tests.pinning.browser import Browser
from tests.pinning.node import Node
from tests.pinning.stage import IMPLEMENTATIONS, NO_REPLICAS, OURS, Stage, described, staged
from tests.servers import Replication, replicated

TITLE = "Reads from replicas, of a site on a primary with two, and what the choice costs"

CLIENTS = 40
WRITING = CLIENTS // 10
THREADS = 4
THINKING = 2.0
"""Seconds between a client's requests, on its own clock: nobody waits."""


def run(report: Report, is_quick: bool) -> None:
    with replicated() as servers:
        migrate(servers)
        for implementation in IMPLEMENTATIONS:
            with staged(servers, implementation, "wsgi") as stage:
                share = share_of_replicas(stage, requests=6 if is_quick else 75)
                report.figures[implementation] = share
                if implementation == OURS:
                    extra = extra_statements(stage)
                    decision = stage.two.run("cost_of_a_decision", 500 if is_quick else 20_000)
                    ticket = stage.two.run("cost_of_a_ticket", 500 if is_quick else 20_000)
    head = (
        "reads served by replicas, 1 client in 10 writes",
        "of all clients",
        "of those who write",
    )
    rows = [(name, *(f"{part:.1%}" for part in report.figures[name])) for name in IMPLEMENTATIONS]
    report.say(*table(head, rows), "")
    report.judge(
        Target("reads served by replicas", 100 * report.figures[OURS][0], 95, " %", is_floor=True),
        Target("statements more for a ticket that is satisfied", extra, 0),
        Target("to decide, per statement", decision, 10, " µs"),
        Target("to sign and verify a ticket", ticket, 30, " µs"),
    )


def migrate(servers: Replication) -> None:
    with tempfile.TemporaryDirectory() as directory:
        maker = Node(described(servers, NO_REPLICAS, node="maker", directory=directory))
        maker.run("migrate")
        for number in range(CLIENTS):
            maker.run("make_book", f"book-{number}")
        maker.close()
    servers.wait_until_caught_up()


def share_of_replicas(stage: Stage, *, requests: int) -> tuple[float, float]:
    """Return which part of the reads replicas answered: of all, and of those who also write."""
    replicas = {replica.port for replica in stage.servers.replicas}

    def live(number: int) -> Counter[int]:
        browser, served, random = Browser(), Counter[int](), Random(number)
        for request in range(requests):
            node = random.choice([stage.one, stage.two])
            if number < WRITING and request % 5 == 0:
                browser.post(node, f"/set-copies/book-{number}/{request + 1}/")
            else:
                page = browser.get(node, f"/copies/book-{random.randrange(CLIENTS)}/")
                served.update(page.served[-1:])
            browser.wait(THINKING)
        browser.close()
        return served

    with ThreadPoolExecutor(THREADS) as threads:
        served = list(threads.map(live, range(CLIENTS)))
    return part(served, replicas), part(served[:WRITING], replicas)


def part(served: list[Counter[int]], ports: set[int]) -> float:
    total = sum(counter.total() for counter in served)
    return sum(counter[port] for counter in served for port in ports) / total


def extra_statements(stage: Stage) -> float:
    """Compare 100 reads of a client with a satisfied ticket with those of a client without one."""

    def statements(browser: Browser) -> int:
        return sum(browser.get(stage.two, "/copies/book-0/").statements for _ in range(100))

    client, stranger = Browser(), Browser()
    client.post(stage.one, "/write/orm/extra/")
    assert client.cookies
    stage.servers.wait_until_caught_up()
    for warming in (client, stranger):
        statements(warming)
    counted = statements(client) - statements(stranger)
    client.close()
    stranger.close()
    return counted


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
