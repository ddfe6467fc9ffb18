"""A random history: ``python -m tests.pinning.history --operations 100000``.

Three nodes in processes of their own, eight clients, replicas that pause, lag, crash, rewind and are
promoted, a bus that is cut. Every client checks each of its own writes, through cached and uncached
pages, on any node. The faults are random by the seed; how they meet with the clients is up to the machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Thread

from tests.pinning.clients import Book, Client, Violation
from tests.pinning.estate import Estate, estate
from tests.pinning.misfortunes import FAULTS, Misfortunes
from tests.pinning.stage import IMPLEMENTATIONS, NO_REPLICAS, OURS

__all__ = ["Account", "play"]

CLIENTS = 8
BOOKS_EACH = 4

runs = count(1)


@dataclass
class Account:
    """What a history came to."""

    operations: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    reads_of_replicas: float = 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.operations} operations in {self.seconds:.0f} s: {dict(self.tally)}",
            f"faults: {self.faults}",
            f"of the reads that reached a database, replicas served {self.reads_of_replicas:.0%}",
            f"{len(self.violations)} violations",
        ]
        return "\n".join([*lines, *self.violations])


def play(
    found: Estate,
    implementation: str = OURS,
    *,
    operations: int,
    seed: int,
    kinds: tuple[str, ...] = tuple(FAULTS),
    mutant: str = "",
    seconds: float = 3600.0,
    interface: str = "wsgi",
) -> Account:
    """Play until so many operations are done, so many seconds have passed or a client was deceived."""
    found.open(implementation, mutant=mutant, interface=interface)
    try:
        clients = made(found, seed, is_caching=implementation == OURS)
        return run(found, clients, Random(f"faults {seed}"), operations, seconds, kinds)
    finally:
        found.close()


def made(found: Estate, seed: int, *, is_caching: bool) -> list[Client]:
    run = next(runs)
    books = [
        [Book(f"run-{run}-client-{client}-book-{number}") for number in range(BOOKS_EACH)]
        for client in range(CLIENTS)
    ]
    everything = [book for own in books for book in own]
    for book in everything:
        found.nodes[0].run("make_book", book.title)
    found.servers.wait_until_caught_up()
    return [
        Client(number, lambda: found.nodes, Random(f"client {number} {seed}"), own, everything,
               leaps=number % 4 == 3, is_caching=is_caching)
        for number, own in enumerate(books)
    ]  # fmt: skip


def run(
    found: Estate,
    clients: list[Client],
    random: Random,
    operations: int,
    seconds: float,
    kinds: tuple[str, ...],
) -> Account:
    account = Account()
    began = time.monotonic()

    def live(client: Client) -> None:
        try:
            while not (account.violations or misfortunes.failure):
                if time.monotonic() > began + seconds:
                    return
                if sum(client.operations for client in clients) >= operations:
                    return
                client.act()
        except Violation as violation:
            account.violations.append("\n".join([str(violation), *misfortunes.diary]))
        finally:
            client.browser.close()

    with Misfortunes(found, random, kinds) as misfortunes:
        threads = [Thread(target=live, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(30.0)
                told = sum(client.operations for client in clients)
                print(f"{time.monotonic() - began:.0f} s: {told} operations", file=sys.stderr)
    account.operations = sum(client.operations for client in clients)
    account.seconds = time.monotonic() - began
    account.faults = misfortunes.happened
    served = sum((client.served for client in clients), Counter[int]())
    account.tally = sum((client.tally for client in clients), Counter[str]())
    account.failures = [failure for client in clients for failure in client.failures]
    on_primary = served[found.primary_line.port]
    account.reads_of_replicas = 1 - on_primary / max(served.total(), 1)
    return account


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pinning.history", description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--implementation", choices=(*IMPLEMENTATIONS, NO_REPLICAS), default=OURS)
    parser.add_argument("--interface", choices=["wsgi", "asgi"], default="wsgi")
    parser.add_argument("--mutant", default="", help="break one rule: see tests.pinning.mutants")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--failures", action="store_true", help="print what clients were refused")
    chosen = parser.parse_args()
    with estate() as found:
        account = play(
            found, chosen.implementation, operations=chosen.operations, seed=chosen.seed,
            kinds=tuple(chosen.faults), mutant=chosen.mutant, seconds=chosen.seconds,
            interface=chosen.interface,
        )  # fmt: skip
    print(account)
    if chosen.failures:
        print(*account.failures, sep="\n")
    return bool(account.violations)


if __name__ == "__main__":
    sys.exit(main())
