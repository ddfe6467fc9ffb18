"""The protocol keeps its promises under every schedule tried."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from .agent import LEASE
from .cache import Verdict
from .changes import NAMED, Extent
from .faults import FAULTS, LABELS, RELIEFS, fault
from .model import Options, Process, Thread, World
from .mutants import Mutant
from .oracle import BOUND, STALE_BOUND, Violation
from .rest import come_to_rest, do_rounds, warm_up
from .schedule import run
from .worker import Program

SCHEDULES = 300


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))]
)
def test_every_promise_holds_in_all_weathers(block: int) -> None:
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_every_promise_holds_in_many_more_schedules(block: int) -> None:
    for seed in range(1_000_000 + block * 2_000, 1_000_000 + (block + 1) * 2_000):
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


@pytest.mark.slow
def test_the_schedules_reach_every_labelled_point_and_every_verdict() -> None:
    reached: set[str] = set()
    hits = Counter[Verdict]()
    for seed in range(200):
        trace: list[str] = []
        hits.update(run(seed, trace=trace).oracle.hits)
        reached.update(line.partition(": ")[2] for line in trace)
    assert set(LABELS) <= reached
    assert min(hits[verdict] for verdict in Verdict if verdict is not Verdict.MISS) > 30


@pytest.mark.slow
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
    assert LEASE < oldest[Verdict.STALE] < STALE_BOUND


PAGE = st.sampled_from(("page", "list", "report", "banner", "home"))
ITEM = st.sampled_from(("row 0", "table", "anything", "name", "row 1"))
GET = st.tuples(st.just("get"), PAGE)
READ = st.tuples(st.just("read"), ITEM)
WRITE = st.tuples(st.just("write"), st.sampled_from(((0,), (0, NAMED))), st.sampled_from(Extent))
RARE = st.one_of(
    st.tuples(st.just("begin"), st.booleans()),
    st.sampled_from((("commit",), ("rollback",), ("savepoint",), ("restore",), ("scope",))),
    st.tuples(st.sampled_from(("peek", "put", "touch")), PAGE),
)
PROGRAM = st.lists(
    st.sampled_from((GET, GET, GET, WRITE, READ, RARE)).flatmap(lambda op: op), max_size=3
)
NUMBER = st.integers(0, 3)
DRAWS = st.lists(st.integers(0, 11), max_size=2)
TO_THE_END = 400


class Protocol(RuleBasedStateMachine):
    """The same world, driven by hypothesis, which shrinks what it finds."""

    broken: Mutant | None = None
    world: World

    @initialize(
        nodes=st.sampled_from((2, 1)),
        serves_partitioned=st.booleans(),
        serves_stale=st.booleans(),
        has_durable_cursor=st.booleans(),
    )
    def begin(self, **options: Any) -> None:
        self.draws: list[int] = []
        self.world = World(Options(**options), self._choose, self.broken)
        warm_up(self.world)

    def _choose(self, count: int) -> int:
        return self.draws.pop() % count if self.draws else 0

    def _process(self, number: int) -> Process:
        return self.world.processes[number % len(self.world.processes)]

    def _step(self, thread: Thread | None, steps: int) -> None:
        for _ in range(steps):
            if thread is None or thread.process.is_stopped or not self.world.step(thread):
                return

    @rule(number=NUMBER, client=st.integers(0, 1), program=PROGRAM)
    def visit(self, number: int, client: int, program: Program) -> None:
        self.start(number, client, program, TO_THE_END)

    @rule(number=NUMBER, client=st.integers(0, 1), program=PROGRAM, steps=st.integers(1, 20))
    def start(self, number: int, client: int, program: Program, steps: int) -> None:
        process = self._process(number)
        if process.is_alive and process.request is None:
            self.world.start_request(process, self.world.clients[client], program)
        self._step(process.request, steps)

    @rule(number=NUMBER, steps=st.one_of(st.just(TO_THE_END), st.integers(1, 20)), draws=DRAWS)
    def resume(self, number: int, steps: int, draws: list[int]) -> None:
        self.draws = draws
        self._step(self._process(number).request, steps)

    @rule(number=NUMBER, steps=st.one_of(st.just(TO_THE_END), st.integers(1, 40)), draws=DRAWS)
    def lead(self, number: int, steps: int, draws: list[int]) -> None:
        process, self.draws = self._process(number), draws
        self.world.stand_for_agent(process)
        self._step(process.agent, steps)

    @rule(rounds=st.integers(1, 8))
    def wait(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.now += LEASE // 8
            for process in self.world.processes:
                if not process.is_stopped and process.agent is not None:
                    do_rounds(self.world, process.agent, 1)

    @rule(name=st.sampled_from(sorted({*FAULTS, *RELIEFS})), draws=DRAWS)
    def befall(self, name: str, draws: list[int]) -> None:
        self.draws = draws
        fault(name)(self.world)

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
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
def test_the_state_machine_finds_no_broken_promise() -> None:
    run_state_machine_as_test(Protocol, settings=QUICK)


@pytest.mark.parametrize("mutant", [Mutant.EQUAL_TIMES, Mutant.NO_TICKET, Mutant.IGNORED_EPOCH])
def test_the_state_machine_finds_mutants(mutant: Mutant) -> None:
    class Broken(Protocol):
        broken = mutant

    with pytest.raises(Violation):
        run_state_machine_as_test(
            Broken, settings=settings(QUICK, max_examples=600, phases=[Phase.generate])
        )
