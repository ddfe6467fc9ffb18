"""This process's part in its node: opened at first use, anew after a fork or a lost directory."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from nothing_shared.clock import NEVER, SECOND, Clock, boottime_ns
from nothing_shared.locks import LockTimeout
from nothing_shared.node import hooks, layout
from nothing_shared.node.agent import Agent, agent_of, duty
from nothing_shared.node.change import Change
from nothing_shared.node.conf import NodeSettings, node_settings
from nothing_shared.node.directory import ensure, node_directory
from nothing_shared.node.intents import Intent, Intents, Overdue
from nothing_shared.node.positions import UNKNOWN, Reached
from nothing_shared.node.table import ChangeTable

__all__ = [
    "Node",
    "close",
    "current",
    "join",
    "use",
]

logger = logging.getLogger("nothing_shared.node")

PATIENCE_AT_START = 2.0
"""Seconds that the first use of a node waits for its agent to hear the bus."""


class Node:
    """A node as one of its processes sees it."""

    def __init__(self, directory: Path, options: NodeSettings, *, clock: Clock = boottime_ns):
        self.directory = ensure(directory)
        self.name = options.name or socket.gethostname()
        self.lease = int(options.lease * SECOND)
        self.max_staleness = int(options.max_staleness * SECOND)
        self.table = ChangeTable(directory, slot_count=options.slots, clock=clock)
        self.intents = Intents(self.table)
        self.agent = Agent(self)
        self.pid = os.getpid()
        self.is_closed = False
        """Whether this process has left it: what is committed now, the next agent announces."""
        self._ended: set[tuple[int, int]] = set()
        """Intents of dead writers whose sessions can't commit any more."""

    def apply(self, change: Change, *, known: dict[int, int] | None = None) -> int:
        """Take in a change, without announcing it, and return when; 0 if it was taken in before."""
        return self.table.apply(change, known=known)

    def intend(
        self, touched: Iterable[int], *, session: int = 0, database: int = 0
    ) -> Intent | None:
        """Leave word of what is about to change; None if no cell is free."""
        if self.table.words[layout.MEMBER_UNTIL] <= self.table.clock():
            for introduce in hooks.introducers:
                introduce(self)
        intent = self.intents.claim()
        if intent is None:
            logger.warning(
                "node %s has no cell for an intent: a crash now would go unheard", self.name
            )
        else:
            intent.note(touched, session=session, database=database)
        return intent

    def commit(self, change: Change, intent: Intent | None = None) -> bool:
        """Take in and announce a change of this process's own; clear its intent once both are done.

        False if a lock or the bus was out of reach, or this node was closed: the intent stands, and
        the agent does it. On a node whose table was replaced meanwhile, it is the new one that takes
        in and announces.
        """
        done = not change or self._carry_out(change)
        if not done and self.table.is_retired:  # now, or while the first try was under way
            done = self._carry_out(change)
        if done and intent is not None:
            self.intents.give_back(intent)
        elif not done and not self.table.is_retired:
            self._leave_to_agent(change, intent)
        return done

    def _carry_out(self, change: Change) -> bool:
        try:
            if self.table.is_retired:
                return current().commit(change)
            self.table.apply(change)
            for announce in hooks.announcers:
                announce(self, change)
        except Exception as failure:  # it is committed: nothing may keep others from hearing of it
            expected = isinstance(failure, (LockTimeout, OSError))
            logger.warning(
                "a change waits for the agent of node %s: %r",
                self.name,
                failure,
                exc_info=not expected,
            )
            return False
        return True

    def _leave_to_agent(self, change: Change, intent: Intent | None) -> None:
        try:
            intent = intent or self.intents.claim()
        except LockTimeout:
            intent = None
        if intent is None:
            logger.error(
                "node %s may serve what was true before a change of %s", self.name, change.slots
            )
            return
        intent.note(change.slots)
        intent.hand_over()

    def sweep(self) -> None:
        """Take in and announce what dead and stalled writers may have committed (the agent's work).

        A stalled one's COMMIT may still be in flight, so this repeats until its intent is gone; a
        dead one's until its database session is known to be gone, and once more after that.
        """
        for overdue in list(self.intents.overdue(self.lease // 2)):
            has_ended = overdue.is_orphaned and overdue.key in self._ended
            known = self.table.positions.databases
            written = [overdue.database] if overdue.database else known
            # How far the database has got is for whoever reads next to ask it: it may be away.
            reached = tuple(Reached(database, UNKNOWN) for database in written)
            change = Change.of(overdue.slots, reached)
            self.table.apply(change)
            for announce in hooks.announcers:
                announce(self, change)
            if has_ended:
                self.intents.bury(overdue)

    def examine(self) -> None:
        """Find out which dead writers' sessions are gone; may ask a database, and wait for it."""
        dead = [overdue for overdue in self.intents.overdue(NEVER) if overdue.is_orphaned]
        self._ended = {
            overdue.key
            for overdue in dead
            if overdue.key in self._ended or not _may_commit(overdue)
        }

    def wait_until_leased(self, timeout: float) -> bool:
        """Wait for the lease; False if it is still not there after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not self.table.leased():
            if time.monotonic() >= deadline or self.table.is_retired:
                return False
            time.sleep(0.001)
        return True

    def leave(self) -> None:
        """Take this process off the bus, for good."""
        self.is_closed = True
        for closer in hooks.closers:
            closer(self)

    def give_way(self) -> None:
        """Leave the bus with a table that was replaced, and join the node that took its place.

        A node that stays on the roster must be heard from: left there, it would keep every node's
        lease from being extended.
        """
        self.leave()
        if _current.get(node_directory()) is self:
            current()


def _may_commit(overdue: Overdue) -> bool:
    try:
        return any(check(overdue) for check in hooks.session_checks)
    except Exception:
        logger.exception("a dead writer's session can't be looked for")
        return True


@duty("intents")
async def _examine(node: Node) -> None:
    while True:
        if any(overdue.is_orphaned for overdue in node.intents.overdue(NEVER)):
            await asyncio.to_thread(node.examine)
        await asyncio.sleep(node.lease / SECOND / 8)


_current: dict[Path, Node] = {}
_seen: tuple[NodeSettings | None, Node | None] = (None, None)
_opening = threading.RLock()


def current() -> Node:
    """Return this process's node, opening it at first use; in an agent, the node that it works for.

    Raises ImproperlyConfigured if the node directory is unusable.
    """
    global _seen
    node = agent_of.get()
    if node is not None and _is_usable(node):
        return node
    options = node_settings()
    node = _seen[1]
    if node is not None and _seen[0] is options and _is_usable(node):
        return node
    with _opening:
        directory = node_directory()
        node = _current.get(directory)
        if node is None or not _is_usable(node):
            node = _current[directory] = _open(directory)
        _seen = (options, node)
        return node


def _is_usable(node: Node) -> bool:
    return node.pid == os.getpid() and not (node.is_closed or node.table.is_retired)


def use(node: Node) -> None:
    """Make this process a part of another node than the settings say."""
    global _seen
    _current[node_directory()] = join(node)
    _seen = (None, None)


def _open(directory: Path) -> Node:
    return join(Node(directory, node_settings()))


def join(node: Node) -> Node:
    """Put this process on the bus and up for agent, and wait until the node hears."""
    atexit.unregister(close)  # multiprocessing clears what was registered before it forked
    atexit.register(close)
    for opener in hooks.openers:
        try:
            opener(node)
        except (LockTimeout, OSError) as failure:  # the agent goes on trying
            logger.warning("node %s can't reach the bus: %s", node.name, failure)
    node.agent.start()
    if hooks.openers and not node.wait_until_leased(PATIENCE_AT_START):
        logger.warning(
            "node %s does not hear the bus: caches act as WHEN_PARTITIONED says", node.name
        )
    return node


def close() -> None:
    """Leave all nodes of this process in an orderly way."""
    global _seen
    with _opening:
        _seen = (None, None)
        nodes = [node for node in _current.values() if node.pid == os.getpid()]
        _current.clear()
    for node in nodes:  # not under the lock, for which an agent may be waiting
        node.agent.stop()
        node.leave()


def _forget_in_child() -> None:
    global _opening, _seen
    _seen = (None, None)
    _opening = threading.RLock()
    _current.clear()


os.register_at_fork(after_in_child=_forget_in_child)
