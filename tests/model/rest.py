"""Bring a world to rest: everything is healed, delivered and finished; then the oracle checks."""

from __future__ import annotations

from .faults import heal
from .model import Agent, Process, Thread, World

__all__ = ["come_to_rest", "do_rounds", "warm_up"]

ENDLESS = 20_000
LONGEST_ROUND = 2_000


def warm_up(world: World) -> None:
    """Begin with workers that map their tables, agents, and leases."""
    for process in world.processes:
        _attach(world, process)
    for _ in range(2):
        _rounds(world)


def come_to_rest(world: World) -> None:
    """End all faults, let everybody finish and every agent do its rounds; then check."""
    world.note("all faults are over")
    heal(world)
    world.is_at_rest = True
    world.bus.loses_next = False
    world.ambushes.clear()
    for process in world.processes:
        process.is_stopped = False
    _bring_back(world)
    _finish(world, [process.request for process in world.processes if process.request])
    for _ in range(world.choose(3)):
        _rounds(world)
    for transaction in list(world.database.in_flight):
        world.database.settle(transaction, world.now, commits=True)
    for process in world.processes:
        _attach(world, process)
    for _ in range(4):
        _rounds(world)
    world.oracle.check_rest()


def _bring_back(world: World) -> None:
    """Start dead workers again; but a node of which nothing lives may be gone for good."""
    for node in world.nodes:
        workers = [process for process in world.processes if process.node == node.number]
        node.is_gone = not any(worker.is_alive for worker in workers) and world.choose(3) > 0
        for worker in workers:
            if not worker.is_alive and not node.is_gone:
                world.restart(worker)


def _attach(world: World, process: Process) -> None:
    if process.is_alive:
        _finish(world, [world.start_request(process, world.clients[0], [])])


def _finish(world: World, threads: list[Thread]) -> None:
    """Run requests to their end, and the agents with them, for whose locks they may be waiting."""
    limit = world.steps + ENDLESS
    while threads:
        agents = [process.agent for process in world.processes if process.agent is not None]
        threads = [thread for thread in threads if world.step(thread)]
        for agent in agents:
            world.step(agent)
        world.now += 1
        if world.steps > limit:
            raise AssertionError(f"{len(threads)} requests do not end")


def _rounds(world: World) -> None:
    """Let every node's agent do one round; where there is none, one is elected."""
    for process in world.processes:
        world.stand_for_agent(process)
    for process in world.processes:
        if process.agent is not None:
            do_rounds(world, process.agent, 1)
            world.now += 1


def do_rounds(world: World, thread: Agent, count: int) -> None:
    """Run an agent to the end of its round, and then so many more, unless it must wait too long."""
    last = thread.table.rounds + count
    for _ in range(LONGEST_ROUND):
        if thread.table.rounds > last or not world.step(thread):
            return
