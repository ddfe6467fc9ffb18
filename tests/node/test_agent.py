from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from nothing_shared.node import agent, process
from nothing_shared.node.agent import beat_age
from nothing_shared.node.process import Node
from tests.node import acts
from tests.node.workers import Worker, Workers
from tests.processes import open_files
from tests.wait import wait_until

_ran: list[str] = []


@pytest.fixture
def start(workers: Workers, directory: Path, tmp_path: Path) -> Callable[..., Worker]:
    """Starts a worker of the node."""

    def start(lease: float = 0.4) -> Worker:
        worker = workers.start(
            NOTHING_SHARED_NODE={"DIRECTORY": str(directory), "SLOTS": 2**16, "LEASE": lease},
            NOTHING_SHARED_BUS={"LOCATION": str(tmp_path / "bus")},
        )
        worker.run(acts.join)
        return worker

    return start


def leading(workers: list[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.run(acts.is_agent)]


def leader(workers: list[Worker]) -> Worker:
    (worker,) = wait_until(lambda: leading(workers), what="a worker leads")
    return worker


def stop_agent() -> list[str]:
    process.current().agent.stop()
    return acts.threads()


def age_of_beat() -> float | None:
    return beat_age(process.current())


async def fail_at_first(node: Node) -> None:
    _ran.append(node.name)
    if len(_ran) == 1:
        raise RuntimeError("a duty that fails")
    await asyncio.Event().wait()


async def go_away_at_last(node: Node) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        _ran.append("cancelled")


def with_duty(duty: agent.Duty) -> None:
    agent.duties["test"] = duty


def runs() -> list[str]:
    return list(_ran)


def family(children: int) -> dict[str, Any]:
    """Open the node, fork, have each child open it too; tell what each then holds."""
    before = set(open_files().values())
    process.current()
    wait_until(lambda: process.current().agent.is_leading, what="the parent leads")
    mine = set(open_files().values()) - before
    ends = [child_of_family() for _ in range(children)]
    found = []
    for pid, ready, _ in ends:
        os.read(ready, 1)
        theirs = set(open_files(pid).values()) - before
        found.append({
            "shared sockets": {name for name in mine & theirs if name.startswith("socket:")},
            "own sockets": {name for name in theirs - mine if name.startswith("socket:")},
            "posix locks": locks_of(pid),
            "threads": len(os.listdir(f"/proc/{pid}/task")),
        })  # fmt: skip
    for pid, ready, go in ends:
        os.write(go, b"!")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(ready)
        os.close(go)
    return {"children": found, "parent": locks_of(os.getpid()), "leads": acts.is_agent()}


def child_of_family() -> tuple[int, int, int]:
    ready, tell = os.pipe()
    wait, go = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        os.close(wait)
        return pid, ready, go
    inherited = {thread.name for thread in threading.enumerate()} - {"MainThread"}
    process.current()
    own = {thread.name for thread in threading.enumerate()} - {"MainThread"}
    os.write(tell, b"!")
    os.read(wait, 1)
    os._exit(0 if not inherited and own == {"nothing_shared agent"} else 1)


def locks_of(pid: int) -> list[str]:
    """Return the files on which a process holds a lock that no other has a share in."""
    files = {}
    for descriptor, name in open_files(pid).items():
        with suppress(FileNotFoundError):  # its agent goes on meanwhile
            files[os.stat(f"/proc/{pid}/fd/{descriptor}").st_ino] = name
    rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sorted(
        Path(files.get(int(row[5].rpartition(":")[2]), "?")).name
        for row in rows
        if row[1] == "POSIX" and row[3] == "WRITE" and row[4] == str(pid)
    )


def fork_and_outlive() -> int:
    """Lead, fork a child that does nothing, and return its number."""
    wait_until(lambda: process.current().agent.is_leading, what="it leads")
    child = os.fork()
    if not child:
        os.setsid()
        threading.Event().wait()
    return child


@pytest.fixture
def children() -> Iterator[list[int]]:
    """Processes that a test's worker leaves behind."""
    left: list[int] = []
    yield left
    for pid in left:
        os.kill(pid, 9)


def test_of_four_processes_exactly_one_is_the_agent(start: Callable[..., Worker]) -> None:
    workers = [start(2.0) for _ in range(4)]
    chosen = leader(workers)
    assert {worker.run(acts.agent_pid) for worker in workers} == {chosen.pid}
    age = workers[0].run(age_of_beat)
    assert age is not None
    assert age < 2.0


def test_another_takes_over_within_a_second_when_the_agent_is_killed(
    start: Callable[..., Worker], record_property: Callable[[str, object], None]
) -> None:
    workers = [start(2.0) for _ in range(3)]
    chosen = leader(workers)
    workers.remove(chosen)
    chosen.kill()
    began = monotonic()
    heir = leader(workers)
    took = monotonic() - began
    record_property("takeover after SIGKILL, seconds", round(took, 3))
    print(f"takeover after SIGKILL: {took:.3f} s")
    assert took < 3, "1 s on an idle machine"
    assert heir.run(acts.agent_pid) == heir.pid


def test_another_takes_over_from_a_stopped_agent_which_steps_down_when_it_wakes(
    start: Callable[..., Worker], record_property: Callable[[str, object], None]
) -> None:
    workers = [start(0.6) for _ in range(2)]
    chosen = leader(workers)
    workers.remove(chosen)
    (other,) = workers
    chosen.stop()
    began = monotonic()
    wait_until(lambda: other.run(acts.is_agent), what="the other one leads")
    took = monotonic() - began
    record_property("takeover after SIGSTOP with a lease of 0.6 s, seconds", round(took, 3))
    print(f"takeover after SIGSTOP, lease 0.6 s: {took:.3f} s")
    chosen.go_on()
    wait_until(lambda: not chosen.run(acts.is_agent), what="the stopped one steps down")
    assert leader([chosen, other])


def test_an_agent_that_leaves_in_an_orderly_way_is_succeeded(start: Callable[..., Worker]) -> None:
    workers = [start() for _ in range(2)]
    chosen = leader(workers)
    workers.remove(chosen)
    assert chosen.leave() == 0
    leader(workers)


def test_stop_ends_the_thread(start: Callable[..., Worker]) -> None:
    worker = start()
    assert "nothing_shared agent" in worker.run(acts.threads)
    assert "nothing_shared agent" not in worker.run(stop_agent)
    assert worker.run(age_of_beat) is None


def test_a_duty_that_raises_starts_again(workers: Workers, directory: Path, tmp_path: Path) -> None:
    worker = workers.start(
        NOTHING_SHARED_NODE={"DIRECTORY": str(directory), "NAME": "north", "SLOTS": 2**16},
        NOTHING_SHARED_BUS={"LOCATION": str(tmp_path / "bus")},
    )
    worker.run(with_duty, fail_at_first)
    worker.run(acts.join)
    wait_until(lambda: worker.run(runs) == ["north", "north"], what="it ran twice")
    assert worker.run(acts.is_leased), "the other duties were not disturbed"


def test_duties_are_cancelled_when_the_agent_stops(
    workers: Workers, directory: Path, tmp_path: Path
) -> None:
    worker = workers.start(
        NOTHING_SHARED_NODE={"DIRECTORY": str(directory), "SLOTS": 2**16},
        NOTHING_SHARED_BUS={"LOCATION": str(tmp_path / "bus")},
    )
    worker.run(with_duty, go_away_at_last)
    worker.run(acts.join)
    leader([worker])
    worker.run(stop_agent)
    assert worker.run(runs) == ["cancelled"]


def test_nobody_leads_before_the_node_is_used(workers: Workers) -> None:
    assert workers.start().run(acts.threads) == ["MainThread"]


def test_forked_children_share_no_socket_lock_or_thread_with_their_parent(
    workers: Workers, directory: Path, tmp_path: Path
) -> None:
    worker = workers.start(
        NOTHING_SHARED_NODE={"DIRECTORY": str(directory), "SLOTS": 2**16},
        NOTHING_SHARED_BUS={"LOCATION": str(tmp_path / "bus")},
    )
    found = worker.run(family, 3)
    assert found["leads"]
    assert len(found["parent"]) == 1, "the seat of the agent"
    for child in found["children"]:
        assert child["shared sockets"] == set()
        assert child["own sockets"], "a loop of its own"
        assert child["posix locks"] == []
        assert child["threads"] == 2


def test_a_child_that_outlives_the_agent_does_not_keep_its_seat_or_its_ear(
    start: Callable[..., Worker], children: list[int]
) -> None:
    first = start(2.0)
    children.append(first.run(fork_and_outlive))
    second = start(2.0)
    first.kill()
    leader([second])
    wait_until(lambda: second.run(acts.lease_left) > 10**9, what="the new agent hears the bus")
