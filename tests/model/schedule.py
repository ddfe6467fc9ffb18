"""Schedules by chance: who steps next, and what goes wrong meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from .agent import LEASE
from .changes import PAGES
from .faults import FAULTS, RELIEFS, Fault, fault
from .model import Options, Thread, World
from .mutants import Mutant
from .programs import HABITS, program
from .rest import come_to_rest, do_rounds, warm_up

__all__ = ["Knobs", "draw", "run"]


@dataclass(frozen=True, slots=True)
class Knobs:
    """What makes one schedule unlike another. ``faults`` and ``habits`` are weights by name."""

    options: Options
    faults: Mapping[str, float]
    habits: Mapping[str, float]
    pages: tuple[str, ...]
    fault_rate: float
    interlude_rate: float
    tick_rate: float
    agent_share: float
    agent_burst: int
    request_burst: int
    is_warm: bool
    steps: int


def draw(random: Random, fixed: Mapping[str, Any]) -> Knobs:
    """Turn all knobs by chance, except those that are fixed.

    A few faults of many for each schedule find more than all of them always (swarm testing, Groce
    et al. 2012).
    """
    faults = random.sample(list(FAULTS), random.randrange(6))
    if faults and random.random() < 0.5:
        faults.append("ambush")
    options = Options(
        nodes=random.choice((1, 2, 2, 3)),
        serves_partitioned=random.random() < 0.25,
        serves_stale=random.random() < 0.25,
        has_durable_cursor=random.random() < 0.7,
    )
    knobs = Knobs(
        options=replace(options, **fixed.get("options", {})),
        faults={name: random.choice((1, 3)) for name in faults},
        habits={kind: weight * random.choice((0.5, 1, 2)) for kind, weight in HABITS.items()},
        pages=tuple(random.sample(sorted(PAGES), random.choice((1, 2, 3)))),
        fault_rate=random.choice((0.01, 0.03, 0.1)),
        interlude_rate=random.choice((0, 0.01, 0.03)),
        tick_rate=random.choice((0.02, 0.1)),
        agent_share=random.choice((0.1, 0.35)),
        agent_burst=random.choice((4, 25)),
        request_burst=random.choice((3, 8, 20)),
        is_warm=random.random() < 0.7,
        steps=400,
    )
    rest = {name: value for name, value in fixed.items() if name not in ("options", "habits")}
    return replace(knobs, habits={**knobs.habits, **fixed.get("habits", {})}, **rest)


def run(
    seed: int,
    fixed: Mapping[str, Any] | None = None,
    broken: Mutant | None = None,
    *,
    trace: list[str] | None = None,
) -> World:
    """Run one schedule until everything is at rest; raises Violation."""
    random = Random(seed)
    knobs = draw(random, fixed or {})
    chance = random.random
    world = World(knobs.options, lambda count: int(chance() * count), broken)
    world.trace = trace
    if knobs.is_warm:
        warm_up(world)
    end = world.steps + knobs.steps
    faults, weights = _weighted(knobs.faults)
    while world.steps < end:
        if faults and chance() < knobs.fault_rate:
            random.choices(faults, weights)[0](world)
        if chance() < knobs.interlude_rate:
            _interlude(world)
        _advance(world, random, knobs)
    come_to_rest(world)
    return world


def _weighted(faults: Mapping[str, float]) -> tuple[list[Fault], list[float]]:
    """Add what relieves the faults, a quarter as often as they strike unless a weight is given."""
    if not faults:
        return [], []
    relief = sum(faults.values()) / 4
    weights = dict.fromkeys(RELIEFS, relief) | dict(faults)
    return [fault(name) for name in weights], list(weights.values())


def _interlude(world: World) -> None:
    """Let time pass and the agents work while all requests stand still."""
    for _ in range(1 + world.choose(8)):
        world.now += LEASE // 5
        for process in world.processes:
            if process.agent is not None and not process.is_stopped:
                do_rounds(world, process.agent, 1)


def _advance(world: World, random: Random, knobs: Knobs) -> None:
    """Let one process do something for a few steps."""
    process = world.processes[world.choose(len(world.processes))]
    chance = random.random()
    if process.is_stopped:
        world.steps += 1
    elif not process.is_alive:
        world.steps += 1
        if chance < 0.2:
            world.restart(process)
    elif process.agent is not None and chance < knobs.agent_share:
        _burst(world, process.agent, random, knobs.agent_burst, knobs.tick_rate)
    elif process.request is not None:
        _burst(world, process.request, random, knobs.request_burst, knobs.tick_rate)
    elif chance < 1.5 * knobs.agent_share:
        world.stand_for_agent(process)
        world.steps += 1
    else:
        client = world.clients[world.choose(len(world.clients))]
        world.start_request(process, client, program(random, knobs.pages, knobs.habits))


def _burst(world: World, thread: Thread, random: Random, longest: int, tick_rate: float) -> None:
    for _ in range(1 + world.choose(longest)):
        if random.random() < tick_rate:
            world.now += 1
        if not world.step(thread):
            break
