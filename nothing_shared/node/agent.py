"""The agent: the one worker of a node that runs its duties; any other takes over when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from nothing_shared.clock import SECOND
from nothing_shared.node import layout

if TYPE_CHECKING:
    from nothing_shared.node.process import Node

__all__ = ["Agent", "Duty", "duties", "duty"]

logger = logging.getLogger("nothing_shared.node")

Duty = Callable[["Node"], Awaitable[None]]
"""Runs until cancelled, on the agent's event loop; must not block it."""

CANDIDACY = 0.2
"""Seconds between two tries to become the agent, and so about the time that a takeover takes."""
BEAT = 0.1
RESTART_AFTER = 0.5

duties: dict[str, Duty] = {}

agent_of: ContextVar[Node | None] = ContextVar("agent_of", default=None)
"""The node whose agent runs in this context."""


def duty(name: str) -> Callable[[Duty], Duty]:
    """Register what a node's agent shall do, once per node."""

    def register(run: Duty) -> Duty:
        duties[name] = run
        return run

    return register


class Agent:
    """This process's candidate for the agent of its node: one daemon thread with an event loop.

    The kernel frees the seat (an ``fcntl`` lock, which no child inherits) when its holder dies. A
    holder that was stopped keeps its lock, so each term of office has a lock file of its own: who
    finds the beat older than half a lease opens the next term, and a holder that wakes up in an old
    term steps down. That two overlap for a moment is harmless: duties are idempotent.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stopping = threading.Event()
        self._wake: Callable[[], object] = lambda: None
        self._woken = asyncio.Event()
        self._thread: threading.Thread | None = None
        self.is_leading = False
        self.term = 0
        """The term of office that this process serves, or served last."""

    def start(self) -> None:
        self._stopping.clear()
        self._woken = asyncio.Event()  # the last one was of another loop, and may be set
        self._thread = threading.Thread(target=self._run, name="nothing_shared agent", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Step down and end the thread."""
        self._stopping.set()
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def run(self) -> None:
        """Be a candidate in this very thread until stopped."""
        self._run()

    def _run(self) -> None:
        agent_of.set(self._node)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._stand())
        if self._node.table.is_retired and not self._stopping.is_set():
            try:
                self._node.give_way()
            except Exception:
                logger.exception(
                    "node %s can't join anew; its next use tries again", self._node.name
                )

    async def _stand(self) -> None:
        loop = asyncio.get_running_loop()
        _loops.add(loop)
        self._wake = lambda: loop.call_soon_threadsafe(self._woken.set)
        while not self._stopping.is_set():
            if not self._node.table.is_current():
                self._node.table.retire()
                return
            try:
                with self._seat() as term:
                    if term is not None:
                        await self._serve(term)
            except Exception:
                logger.exception("the agent of node %s failed and stands again", self._node.name)
            await self._nap(CANDIDACY)

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    @contextlib.contextmanager
    def _seat(self) -> Iterator[int | None]:
        self._open_term_if_stalled()
        term = self._node.table.words[layout.AGENT_TERM]
        path = self._node.directory / f"agent-{self._node.table.id:x}-{term}.lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(fd)
            yield None
            return
        _seats.add(fd)
        try:
            yield term if self._node.table.words[layout.AGENT_TERM] == term else None
        finally:
            self.is_leading = False
            _seats.discard(fd)
            os.close(fd)

    def _open_term_if_stalled(self) -> None:
        words = self._node.table.words
        term, beat = words[layout.AGENT_TERM], words[layout.AGENT_BEAT]
        if not beat or self._node.table.clock() - beat < self._node.lease // 2:
            return
        with self._node.table.lock.held():
            if words[layout.AGENT_TERM] == term and words[layout.AGENT_BEAT] == beat:
                words[layout.AGENT_TERM] = term + 1
                words[layout.AGENT_BEAT] = 0

    async def _serve(self, term: int) -> None:
        words = self._node.table.words
        words[layout.AGENT_PID] = os.getpid()
        words[layout.AGENT_BEAT] = self._node.table.clock()
        self.term = term
        self.is_leading = True
        logger.info("process %d is the agent of node %s", os.getpid(), self._node.name)
        beat = min(BEAT, self._node.lease / SECOND / 8)
        tasks = [asyncio.ensure_future(self._keep(name, run)) for name, run in duties.items()]
        try:
            while not self._stopping.is_set() and words[layout.AGENT_TERM] == term:
                words[layout.AGENT_BEAT] = self._node.table.clock()
                if not self._node.table.is_current():
                    return
                await self._nap(beat)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if words[layout.AGENT_TERM] == term:
                words[layout.AGENT_BEAT] = 0

    async def _keep(self, name: str, run: Duty) -> None:
        while True:
            try:
                await run(self._node)
            except Exception:
                logger.exception(
                    "duty %s of node %s failed and starts again", name, self._node.name
                )
            await asyncio.sleep(RESTART_AFTER)


_seats: set[int] = set()
_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """Close what a child inherits of its parent's agent, which runs on in the parent alone.

    The loop can't be closed as such: that would unregister its sockets in the parent as well.
    """
    for fd in _seats:
        os.close(fd)
    _seats.clear()
    for loop in list(_loops):
        for name in ("_selector", "_ssock", "_csock"):
            inherited = getattr(loop, name, None)
            if inherited is not None:
                inherited.close()
    _loops.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


def beat_age(node: Node) -> float | None:
    """Seconds since the agent last showed life; None while there is no agent."""
    beat = node.table.words[layout.AGENT_BEAT]
    return (node.table.clock() - beat) / SECOND if beat else None
