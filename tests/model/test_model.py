"""The protocol keeps its promises under every schedule tried."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .agent import LEASE
from .cache import Verdict
from .changes import NAMED, PAGES, READS, Extent
from .client import MAX_STALENESS
from .faults import FAULTS, LABELS, RELIEFS
from .model import Options, World
from .mutants import Mutant
from .oracle import BOUND, Violation
from .rest import come_to_rest
from .schedule import run

BLOCKS, SCHEDULES = 4, 300


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_promise_holds_in_all_weathers(block: int) -> None:
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_every_promise_holds_in_many_more_schedules(block: int) -> None:
    for seed in range(1_000_000 + block * 5_000, 1_000_000 + (block + 1) * 5_000):
        run(seed)


def test_on_one_node_where_all_live_an_answered_write_is_seen_by_everybody() -> None:
    options = {
        "nodes": 1,
        "workers": 3,
        "clients": 3,
        "is_strict": True,
        "serves_stale": False,
        "lock_wait": 10_000,
    }
    hits = 0
    for seed in range(300):
        world = run(seed, {"options": options, "faults": {"pause": 1, "evict": 1}})
        hits += world.oracle.hits[Verdict.FRESH]
    assert hits > 1_000


def test_the_schedules_reach_every_labelled_point_and_every_verdict() -> None:
    reached: set[str] = set()
    hits = Counter[Verdict]()
    for seed in range(200):
        trace: list[str] = []
        hits.update(run(seed, trace=trace).oracle.hits)
        reached.update(line.partition(": ")[2] for line in trace)
    assert set(LABELS) <= reached
    assert min(hits[verdict] for verdict in Verdict if verdict is not Verdict.MISS) > 30


def test_the_bounds_are_nearly_reached_and_so_say_no_more_than_needed() -> None:
    oldest = dict.fromkeys(Verdict, 0)
    weather = {
        "options": {"nodes": 2, "serves_stale": True},
        "faults": {"stop at commit: answered": 2, "pause": 1, "continue_one": 0.1},
        "fault_rate": 0.1,
        "interlude_rate": 0.03,
    }
    for seed in range(400):
        world = run(seed, weather)
        for verdict in Verdict:
            oldest[verdict] = max(oldest[verdict], world.oracle.oldest[verdict])
    assert LEASE < oldest[Verdict.FRESH] < BOUND
    assert MAX_STALENESS - LEASE < oldest[Verdict.STALE] < MAX_STALENESS


PAGE = st.sampled_from(sorted(PAGES))
ITEM = st.sampled_from(sorted(READS))
THINGS = st.sampled_from(((0,), (NAMED,), (1,), (0, 1)))
OPERATION = st.one_of(
    st.tuples(st.just("get"), PAGE),
    st.tuples(st.just("read"), ITEM),
    st.tuples(st.just("write"), THINGS, st.sampled_from(Extent)),
    st.tuples(st.just("begin"), st.booleans()),
    st.tuples(st.just("commit")),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("savepoint")),
    st.tuples(st.just("restore")),
    st.tuples(st.just("peek"), PAGE),
    st.tuples(st.just("put"), PAGE),
    st.tuples(st.just("scope")),
)


class Protocol(RuleBasedStateMachine):
    """The same world, driven by hypothesis, which shrinks what it finds."""

    broken: Mutant | None = None
    world: World

    @initialize(
        nodes=st.integers(1, 3),
        serves_partitioned=st.booleans(),
        serves_stale=st.booleans(),
        has_durable_cursor=st.booleans(),
    )
    def begin(self, **options: Any) -> None:
        self.draws: list[int] = []
        self.world = World(Options(**options), self._choose, self.broken)

    def _choose(self, count: int) -> int:
        return self.draws.pop() % count if self.draws else 0

    def _process(self, number: int) -> Any:
        return self.world.processes[number % len(self.world.processes)]

    @rule(
        number=st.integers(0, 5), client=st.integers(0, 1), program=st.lists(OPERATION, max_size=6)
    )
    def request(self, number: int, client: int, program: list[tuple[Any, ...]]) -> None:
        process = self._process(number)
        if process.is_alive and process.request is None:
            self.world.start_request(process, self.world.clients[client], program)

    @rule(number=st.integers(0, 5), steps=st.integers(1, 60), draws=st.lists(st.integers(0, 11)))
    def work(self, number: int, steps: int, draws: list[int]) -> None:
        self.draws = draws
        self._step(self._process(number).request, steps)

    @rule(number=st.integers(0, 5), steps=st.integers(1, 200), draws=st.lists(st.integers(0, 11)))
    def lead(self, number: int, steps: int, draws: list[int]) -> None:
        self.draws = draws
        self.world.stand_for_agent(self._process(number))
        self._step(self._process(number).agent, steps)

    def _step(self, thread: Any, steps: int) -> None:
        for _ in range(steps):
            if thread is None or thread.process.is_stopped or not self.world.step(thread):
                return

    @rule(ticks=st.integers(1, LEASE))
    def wait(self, ticks: int) -> None:
        self.world.now += ticks

    @rule(name=st.sampled_from(sorted(FAULTS)), draws=st.lists(st.integers(0, 40), max_size=3))
    def go_wrong(self, name: str, draws: list[int]) -> None:
        self.draws = draws
        FAULTS[name](self.world)

    @rule(name=st.sampled_from(sorted(RELIEFS)), draws=st.lists(st.integers(0, 3), max_size=2))
    def get_better(self, name: str, draws: list[int]) -> None:
        self.draws = draws
        RELIEFS[name](self.world)

    @precondition(lambda self: any(not process.is_alive for process in self.world.processes))
    @rule()
    def restart(self) -> None:
        for process in list(self.world.processes):
            if not process.is_alive:
                self.world.restart(process)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.draws = []
            come_to_rest(self.world)


QUICK = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_the_state_machine_finds_no_broken_promise() -> None:
    run_state_machine_as_test(Protocol, settings=QUICK)


@pytest.mark.parametrize("mutant", [Mutant.LATE_BEGUN, Mutant.NO_TICKET, Mutant.BLOCK_ONLY])
def test_the_state_machine_finds_mutants(mutant: Mutant) -> None:
    class Broken(Protocol):
        broken = mutant

    with pytest.raises(Violation):
        run_state_machine_as_test(Broken, settings=QUICK)
