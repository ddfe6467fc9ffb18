"""Schedules by chance: who steps next, what goes wrong, and how it all comes to rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from .changes import NAMED, PAGES, READS, Extent
from .client import MAX_STALENESS
from .faults import FAULTS, RELIEFS, heal
from .model import Options, Process, Thread, World
from .mutants import Mutant
from .worker import Program

__all__ = ["Profile", "come_to_rest", "program", "run"]

STEPS = 400
FAULT_RATE = 0.03
WRITES = ((0,), (1,), (0, 1), (NAMED,), (0, NAMED))


@dataclass(frozen=True, slots=True)
class Profile:
    """What a schedule is made of; what is not given is drawn anew for each schedule.

    ``faults`` are weights by name. Drawing a few of many for each schedule finds more than using
    all of them always (swarm testing, Groce et al. 2012).
    """

    options: dict[str, object] = field(default_factory=dict)
    faults: dict[str, float] | None = None
    pages: tuple[str, ...] | None = None
    fault_rate: float = FAULT_RATE
    steps: int = STEPS


def run(
    seed: int,
    profile: Profile | None = None,
    broken: Mutant | None = None,
    *,
    trace: list[str] | None = None,
) -> World:
    """Run one schedule to its rest; raises Violation."""
    profile = profile or Profile()
    random = Random(seed)
    world = World(_options(random, profile), lambda count: int(random.random() * count), broken)
    world.trace = trace
    pages = profile.pages or tuple(random.sample(sorted(PAGES), 3))
    names, weights = _faults(random, profile)
    while world.steps < profile.steps:
        if names and random.random() < profile.fault_rate:
            name = random.choices(names, weights)[0]
            (FAULTS.get(name) or RELIEFS[name])(world)
        _advance(world, random, pages)
    come_to_rest(world)
    return world


def _options(random: Random, profile: Profile) -> Options:
    options: dict[str, object] = {
        "nodes": random.choice((1, 2, 2, 3)),
        "serves_partitioned": random.random() < 0.3,
        "serves_stale": random.random() < 0.3,
        "has_durable_cursor": random.random() < 0.7,
    }
    return Options(**(options | profile.options))  # type: ignore[arg-type]


def _faults(random: Random, profile: Profile) -> tuple[list[str], list[float]]:
    if profile.faults is not None:
        faults = profile.faults
    else:
        chosen = random.sample(list(FAULTS), random.randrange(6))
        faults = {name: random.choice((1.0, 3.0)) for name in chosen}
    if not faults:
        return [], []
    relief = sum(faults.values()) / 4
    faults = faults | {name: relief for name in RELIEFS if name not in faults}
    return list(faults), list(faults.values())


def _advance(world: World, random: Random, pages: tuple[str, ...]) -> None:
    """Let one process do something for a few steps."""
    process = world.processes[int(random.random() * len(world.processes))]
    chance = random.random()
    if not process.is_alive:
        if chance < 0.2:
            world.restart(process)
        return
    if process.is_stopped:
        return
    if chance < 0.35 and process.agent is not None:
        _burst(world, random, process.agent, 25)
    elif process.request is not None:
        _burst(world, random, process.request, 6)
    elif chance < 0.6:
        world.stand_for_agent(process)
    else:
        client = world.clients[int(random.random() * len(world.clients))]
        world.start_request(process, client, program(random, pages))


def _burst(world: World, random: Random, thread: Thread, longest: int) -> None:
    for _ in range(1 + int(random.random() * longest)):
        if random.random() < 0.1:
            world.now += 1
        if not world.step(thread):
            break


def program(random: Random, pages: tuple[str, ...]) -> Program:
    """Make up a request: half only read, the others write, some of these in a transaction."""
    operations: Program = []
    reads = list(READS)
    is_open = False
    may_write = random.random() < 0.5
    for _ in range(1 + int(random.random() * 5)):
        chance = random.random()
        page = pages[int(random.random() * len(pages))]
        if chance < 0.45:
            operations.append(("get", page))
        elif chance < 0.6:
            operations.append(("read", reads[int(random.random() * len(reads))]))
        elif chance < 0.68:
            operations += [("peek", page), ("read", random.choice(reads)), ("put", page)]
        elif chance < 0.72:
            operations.append(("scope",))
        elif not is_open and chance < (0.8 if may_write else 0.9):
            operations.append(("begin", random.random() < 0.5))
            is_open = True
        elif may_write and is_open and chance < 0.82:
            operations += [("savepoint",), _write(random), ("read", random.choice(reads))]
            operations += [("restore",)] if random.random() < 0.7 else []
        elif may_write:
            operations.append(_write(random))
    if is_open:
        operations.append(("commit",) if random.random() < 0.7 else ("rollback",))
        if random.random() < 0.5:
            operations.append(("get", random.choice(pages)))
    return operations


def _write(random: Random) -> tuple[object, ...]:
    extent = random.choices((Extent.ROW, Extent.TABLE, Extent.EVERYTHING), (6, 3, 1))[0]
    return ("write", random.choice(WRITES), extent)


def come_to_rest(world: World) -> None:
    """End all faults, let everybody finish and every agent do its rounds; then check."""
    world.note("all faults are over")
    heal(world)
    world.bus.loses_next = False
    for process in list(world.processes):
        process.is_stopped = False
        if not process.is_alive:
            world.restart(process)
    _finish(world, [process.request for process in world.processes if process.request])
    for transaction in list(world.database.in_flight):
        world.database.settle(transaction, world.now, commits=True)
    for process in world.processes:
        world.start_request(process, world.clients[0], [])
        _finish(world, [process.request] if process.request else [])
    for _ in range(4):
        _rounds(world)
    world.oracle.check_rest()


def _finish(world: World, threads: list[Thread]) -> None:
    limit = world.steps + 20_000
    while threads:
        threads = [thread for thread in threads if world.step(thread)]
        world.now += 1
        if world.steps > limit:
            raise AssertionError(f"a request does not end: {threads}")


def _rounds(world: World) -> None:
    """Let every node's agent do one round; where there is none, one is elected."""
    for process in world.processes:
        _stand(world, process)
    for process in world.processes:
        agent = process.agent
        if agent is None:
            continue
        rounds = agent.table.rounds
        for _ in range(5_000):
            if agent.table.rounds > rounds + 1 or not world.step(agent):
                break
            if world.steps % 8 == 0:
                world.now += 1
    world.now += 1


def _stand(world: World, process: Process) -> None:
    if process.agent is None:
        world.stand_for_agent(process)


assert MAX_STALENESS
