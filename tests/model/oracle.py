"""The oracle: knows the database's whole history, and judges every value that is taken from a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from .agent import LEASE
from .cache import Verdict
from .changes import THINGS, Slots, covered
from .client import MAX_STALENESS, Client
from .context import Request
from .database import Transaction
from .table import ChangeTable, Entry, is_unchanged

if TYPE_CHECKING:
    from .model import World

__all__ = ["BOUND", "STALE_BOUND", "Oracle", "Violation"]

BOUND = LEASE + LEASE // 2
"""A fresh value never misses a commit that is this old: LEASE, and the agent's patience with writers."""

STALE_BOUND = MAX_STALENESS + BOUND
"""An entry is dated when it is stored under a lease, and may miss by then what is younger than BOUND."""


class Violation(AssertionError):
    """A promise was broken; the message says which, and by what."""


class Oracle:
    """Holds five promises:

    1. A client that returns its cookies reads its own writes, on any node; so does a request.
    2. A value misses no commit that is older than BOUND; one served stale, STALE_BOUND.
    3. After all faults are over nothing stale is fresh, and every node believes its cache again.
    4. Nothing that misses a commit is believed once its change was applied on that node.
    5. On one node where everything lives, a write that was answered is seen by everybody.
    And nothing is ever seen that no transaction, or only another's open one, has written.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.hits = dict.fromkeys(Verdict, 0)
        self.oldest = dict.fromkeys(Verdict, 0)
        self.acknowledged = [0] * THINGS

    def rights_of(self, client: Client) -> list[int]:
        """Return the oldest place in each thing's history that the client's next request may see."""
        is_strict = self._world.options.is_strict
        return list(self.acknowledged if is_strict else client.acknowledged)

    def has_committed(self, request: Request, transaction: Transaction) -> None:
        place = self._world.database.place
        for thing, version in transaction.drafts.items():
            request.must_see[thing] = max(request.must_see[thing], place[version])

    def has_responded(self, request: Request) -> None:
        for known in (request.client.acknowledged, self.acknowledged):
            known[:] = map(max, known, request.must_see)

    def committed(self) -> list[int]:
        """Return the place of each thing's last commit."""
        return [len(versions) - 1 for versions in self._world.database.history]

    def has_applied(self, table: ChangeTable, slots: Slots, committed: list[int]) -> None:
        """Note that no entry without what was committed by then may be fresh on this table."""
        for thing in covered(slots):
            table.known[thing] = max(table.known[thing], committed[thing])

    def judge(
        self, request: Request, entry: Entry, verdict: Verdict, known: tuple[int, ...]
    ) -> None:
        """Check a value at the moment at which it is taken."""
        database, now = self._world.database, self._world.now
        self.hits[verdict] += 1
        bound = BOUND if verdict is Verdict.FRESH else STALE_BOUND
        for thing, version in entry.parts:
            place = database.place.get(version)
            if place is None:
                self._fail("a value that nobody committed", entry, verdict, thing)
            if place < request.must_see[thing]:
                self._fail("a client did not see its own write", entry, verdict, thing)
            if request.transaction is not None and thing in request.transaction.drafts:
                self._fail("a transaction did not see its own write", entry, verdict, thing)
            if verdict is not Verdict.STALE and place < known[thing]:
                self._fail("a raced fill is believed", entry, verdict, thing)
            if place + 1 < len(database.times[thing]):
                age = now - database.times[thing][place + 1]
                if age >= bound:
                    self._fail(f"a commit {age} old is missed", entry, verdict, thing)
                self.oldest[verdict] = max(self.oldest[verdict], age)

    def _fail(self, claim: str, entry: Entry, verdict: Verdict, thing: int) -> NoReturn:
        raise Violation(f"{claim}: thing {thing} in {entry}, {verdict.value}, at {self._world.now}")

    def check_rest(self) -> None:
        """After everything is delivered: whatever counts as fresh is the newest."""
        world = self._world
        for node in world.nodes:
            table = node.table
            if node.is_gone or table is None:
                continue
            if world.now >= table.lease_until:
                raise Violation(f"node {node.number} does not recover its lease")
            if table.cells:
                raise Violation(f"node {node.number} keeps an intent for ever: {table.cells}")
            workers = [process for process in world.processes if process.table is table]
            for entries in (table.entries, *(worker.entries for worker in workers)):
                for entry in entries.values():
                    self._check_at_rest(table, entry)

    def _check_at_rest(self, table: ChangeTable, entry: Entry) -> None:
        world = self._world
        if entry.incarnation != table.incarnation:
            return
        if not is_unchanged(world, table, entry.begun, entry.slots):
            return
        for thing, version in entry.parts:
            if version != world.database.history[thing][-1]:
                self._fail("stale for ever", entry, Verdict.FRESH, thing)
