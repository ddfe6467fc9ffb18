"""Clients that write, and check every value they read against what they themselves have written."""

from __future__ import annotations

import http.client
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import Event

from tests.pinning.browser import Browser, Reply
from tests.pinning.node import Node

__all__ = ["Book", "Client", "Violation"]

UNCACHED, CACHED = ("copies",), ("copies", "cached-copies", "copies-page")


class Violation(AssertionError):
    """A client was shown something older than it had written."""


@dataclass
class Book:
    """What one client alone writes, in ever higher numbers."""

    title: str
    highest: int = 0
    possible: set[int] = field(default_factory=lambda: {0})
    """What may be there: the last number whose write was confirmed, and those after it that failed."""


@dataclass
class Client:
    """``leaps``: it comes back after so long that any time-out is over, and asks for nothing cached."""

    number: int
    nodes: Callable[[], list[Node]]
    random: Random
    books: list[Book]
    others: list[Book]
    leaps: bool = False
    is_caching: bool = True
    tally: Counter[str] = field(default_factory=Counter)
    served: Counter[int] = field(default_factory=Counter)
    browser: Browser = field(default_factory=Browser)
    failures: list[str] = field(default_factory=list)
    moment: Event = field(default_factory=Event)
    diary: deque[str] = field(default_factory=lambda: deque(maxlen=40))

    @property
    def operations(self) -> int:
        """How many of its requests were answered."""
        return self.tally.total() - self.tally["failures"]

    def act(self) -> None:
        """Do one thing that a person would do."""
        chance = self.random.random()
        if chance < 0.2:
            self.write(self.random.choice(self.books))
        elif chance < 0.24:
            self.write_twice()
        elif self.leaps and chance < 0.34:
            self.browser.wait(self.random.choice([1.0, 30.0, 3600.0]))
        elif chance < 0.84:
            self.read(self.random.choice(self.books))
        elif chance < 0.97:
            self.read(self.random.choice(self.others), is_own=False)
        else:
            self.browser.close()

    def write(self, book: Book) -> None:
        reply = self.ask("POST", self.prepared(book))
        self.confirm(book, self.taken_in(reply))

    def write_twice(self) -> None:
        """Send two writes before the first is answered, and hear the answers in the wrong order."""
        books = self.random.sample(self.books, 2)
        replies = [self.ask("POST", self.prepared(book)) for book in books]
        for book, reply in zip(reversed(books), reversed(replies), strict=True):
            self.confirm(book, self.taken_in(reply))

    def prepared(self, book: Book) -> str:
        book.highest += 1
        book.possible.add(book.highest)
        return f"/set-copies/{book.title}/{book.highest}/"

    def confirm(self, book: Book, reply: Reply | None) -> None:
        if reply is not None:
            self.tally["writes"] += 1
            book.possible = {book.highest}

    def read(self, book: Book, *, is_own: bool = True) -> None:
        page = self.random.choice(CACHED if self.is_caching and not self.leaps else UNCACHED)
        reply = self.taken_in(self.ask("GET", f"/{page}/{book.title}/"))
        if reply is None:
            return
        self.tally[f"reads of {page}"] += 1
        self.served.update(reply.served)
        seen = reply.json["copies"]
        if is_own and seen not in book.possible:
            raise Violation(
                f"client {self.number} wrote {sorted(book.possible)} copies of {book.title}, and "
                f"read {seen} at {page}, served by {reply.served or 'a cache'}, "
                f"with {list(self.browser.cookies)}\n" + "\n".join(self.diary)
            )

    def ask(self, method: str, path: str) -> Reply | None:
        node = self.random.choice(self.nodes())
        try:
            reply = self.browser.send(node, method, path)
            self.diary.append(
                f"{time.monotonic():.3f} {method} {path} on {node.name}: {reply.status} "
                f"{reply.body[:40]!r} served by {reply.served}"
            )
            return reply
        except (OSError, http.client.HTTPException) as failure:
            self.moment.wait(0.05)  # before the next try, as a person would
            return self.failed(repr(failure))

    def taken_in(self, reply: Reply | None) -> Reply | None:
        """Keep the cookies of a reply, and return it where it is a success."""
        if reply is None:
            return None
        self.browser.take_in(reply)
        return reply if reply.status == 200 else self.failed(f"{reply.status}: {reply.body}")

    def failed(self, why: str) -> None:
        self.tally["failures"] += 1
        if len(self.failures) < 100:
            self.failures.append(why)
