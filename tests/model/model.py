"""The world: nodes, processes and threads, one database, one bus, and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .agent import PATIENCE, agent
from .bus import Bus
from .client import SKEW, Client
from .database import Database
from .mutants import Mutant
from .oracle import Oracle
from .table import ChangeTable, Entry, Steps
from .worker import Program, serve

__all__ = ["Agent", "Choose", "Node", "Options", "Process", "Thread", "World"]

Choose = Callable[[int], int]
"""Return a number from 0 to below the argument: all of a schedule's chance comes in by this door."""


@dataclass(frozen=True, slots=True)
class Options:
    """What one schedule runs on."""

    nodes: int = 2
    workers: int = 2
    clients: int = 2
    serves_partitioned: bool = False
    serves_stale: bool = False
    has_durable_cursor: bool = True
    is_strict: bool = False
    lock_wait: int = 6


@dataclass(eq=False, slots=True, kw_only=True)
class Thread:
    """Something that takes steps: a request, or an agent."""

    process: Process
    steps: Steps[None] | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Agent(Thread):
    """A term as the agent of a table."""

    table: ChangeTable
    term: int


@dataclass(eq=False, slots=True)
class Process:
    """A worker: serves one request at a time, and may be its node's agent besides."""

    node: int
    number: int
    table: ChangeTable | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    request: Thread | None = None
    agent: Agent | None = None
    is_alive: bool = True
    is_stopped: bool = False
    loses_answer: bool = False


@dataclass(eq=False, slots=True)
class Node:
    """A machine: ``table`` is what stands in its node directory now."""

    number: int
    skew: int
    table: ChangeTable | None = None
    sees_no_roster: bool = False
    is_gone: bool = False


class World:
    """Everything there is. Raises Violation as soon as a promise is broken."""

    def __init__(self, options: Options, choose: Choose, broken: Mutant | None = None) -> None:
        self.options, self.choose, self.broken = options, choose, broken
        self.now = 1
        self.steps = 0
        self.is_at_rest = False
        self.database = Database()
        self.bus = Bus()
        self.oracle = Oracle(self)
        self.tables: dict[int, ChangeTable] = {}
        self.nodes = [Node(number, number % 2 * SKEW) for number in range(options.nodes)]
        self.processes = [
            Process(place // options.workers, place)
            for place in range(options.nodes * options.workers)
        ]
        self.clients = [Client() for _ in range(options.clients)]
        self.ambushes: dict[str, Callable[[World, Process], None]] = {}
        self.trace: list[str] | None = None
        self._last_id = 0

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def wall_clock(self, node: int) -> int:
        return self.now + self.nodes[node].skew

    # What threads do

    def start_request(self, process: Process, client: Client, program: Program) -> Thread:
        thread = process.request = Thread(process=process)
        thread.steps = serve(self, thread, client, program)
        return thread

    def stand_for_agent(self, process: Process) -> None:
        """Become the agent of the node's table, if it has none, or one that shows no life."""
        table = process.table
        if not process.is_alive or process.agent is not None:
            return
        if table is None or table is not self.nodes[process.node].table:
            return
        if table.agent is not None and self.now - table.beat < PATIENCE:
            return
        table.term += 1
        table.beat = self.now
        thread = table.agent = process.agent = Agent(process=process, table=table, term=table.term)
        thread.steps = agent(self, thread)

    def step(self, thread: Thread) -> bool:
        """Let a thread take one step; False if that was its last, or something befell it there."""
        self.steps += 1
        assert thread.steps is not None
        try:
            label = next(thread.steps)
        except StopIteration:
            self._end(thread)
            return False
        if self.trace is not None:
            self.note(f"process {thread.process.number}: {label}")
        if label in self.ambushes:
            self.ambushes.pop(label)(self, thread.process)
            return False
        return True

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now:5} {text}")

    def _end(self, thread: Thread) -> None:
        process = thread.process
        if isinstance(thread, Agent):
            process.agent = None
            if thread.table.agent is thread:
                thread.table.agent = None
        else:
            process.request = None

    # What befalls them

    def kill(self, process: Process) -> None:
        """End a process at once. The kernel frees its locks; what it sent to the database may go on."""
        process.is_alive = False
        locks = [self.bus.lock, *(table.lock for table in self.tables.values())]
        for lock in locks:
            if lock.owner is not None and lock.owner.process is process:
                lock.owner = None
        for table in self.tables.values():
            for key, flight in list(table.flights.items()):
                if flight.leader.process is process:
                    del table.flights[key]
            if table.agent is not None and table.agent.process is process:
                table.agent = None
        process.request = process.agent = None

    def restart(self, process: Process) -> Process:
        new = Process(process.node, process.number)
        self.processes[process.number] = new
        return new

    def is_attached(self, table: ChangeTable) -> bool:
        """Say whether any worker still maps the table."""
        return any(process.is_alive and process.table is table for process in self.processes)

    def strike_the_dead(self) -> None:
        """Take off the roster whoever has neither a process nor a session left.

        A session without a client may still commit: were its node struck before, everybody would
        forget everything too early, and nobody would be left to say what it did.
        """
        roster = self.bus.roster
        for incarnation in list(roster.members):
            table = self.tables[incarnation]
            if self.is_attached(table) or any(
                process.is_alive and process.agent and process.agent.table is table
                for process in self.processes
            ):
                continue
            flying = self.database.in_flight.values()
            may_commit = any(commit.incarnation == incarnation for commit in flying)
            if not may_commit or self.broken is Mutant.VANISHED_AT_ONCE:
                roster.strike(incarnation)
