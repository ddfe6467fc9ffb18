"""What can go wrong, one function each; all of it by chance, and most of it passes."""

from __future__ import annotations

from collections.abc import Callable

from .agent import LEASE
from .model import Process, World

__all__ = ["FAULTS", "LABELS", "RELIEFS", "Fault", "fault"]

PATIENT = 200
Fault = Callable[[World], None]


def _any_process(world: World) -> Process:
    return world.processes[world.choose(len(world.processes))]


def kill_worker(world: World) -> None:
    _kill(world, _any_process(world))


def stop_worker(world: World) -> None:
    _stop(world, _any_process(world))


def _kill(world: World, process: Process) -> None:
    world.note(f"SIGKILL to process {process.number}")
    world.kill(process)


def _stop(world: World, process: Process) -> None:
    world.note(f"SIGSTOP to process {process.number}")
    process.is_stopped = True


def _delay(world: World, process: Process) -> None:
    world.note(f"process {process.number} is not scheduled, nor anybody else")
    pause(world)


def ambush(world: World) -> None:
    """Kill, stop or delay whoever comes next to some labelled point."""
    label = LABELS[world.choose(len(LABELS))]
    world.ambushes[label] = list(_AMBUSHES.values())[world.choose(len(_AMBUSHES))]


_AMBUSHES = {"kill": _kill, "stop": _stop, "delay": _delay}


def kill_node(world: World) -> None:
    node = world.choose(len(world.nodes))
    world.note(f"SIGKILL to all of node {node}")
    for process in world.processes:
        if process.node == node:
            world.kill(process)


def delete_directory(world: World) -> None:
    node = world.nodes[world.choose(len(world.nodes))]
    world.note(f"the directory of node {node.number} is deleted")
    node.table = None


def shut_down(world: World) -> None:
    """Stop a node in an orderly way: its requests finish first, and it says goodbye."""
    node = world.nodes[world.choose(len(world.nodes))]
    workers = [process for process in world.processes if process.node == node.number]
    if node.table is None or any(worker.is_stopped for worker in workers):
        return
    for _ in range(PATIENT):
        busy = [worker.request for worker in workers if worker.request]
        if not busy:
            break
        world.step(busy[0])
    if node.table.cells or any(worker.request for worker in workers):
        return
    world.note(f"node {node.number} shuts down")
    world.bus.roster.say_goodbye(node.table.incarnation, node.table.sequence)
    for worker in workers:
        world.kill(worker)


def isolate(world: World) -> None:
    node = world.choose(len(world.nodes))
    world.note(f"node {node} hears only itself")
    world.bus.isolated.add(node)


def cut_bus(world: World) -> None:
    world.note("the bus refuses everything")
    world.bus.is_down = True


def lose_message(world: World) -> None:
    world.note("the next change will be lost")
    world.bus.loses_next = True


def overwrite(world: World) -> None:
    """Lap every reader that has yet to read the latest messages."""
    world.note("the bus overwrites all it has")
    for log in world.bus.logs.values():
        log.oldest = len(log.messages)


def repeat(world: World) -> None:
    """Deliver the last messages once more."""
    for table in world.tables.values():
        for sender in table.cursor or ():
            assert table.cursor is not None
            table.cursor[sender] = max(0, table.cursor[sender] - world.choose(3))


def hide_roster(world: World) -> None:
    node = world.choose(len(world.nodes))
    world.note(f"node {node} can't look at the roster")
    world.nodes[node].sees_no_roster = True


def lose_answer(world: World) -> None:
    process = _any_process(world)
    world.note(f"process {process.number} will not hear the answer to its COMMIT")
    process.loses_answer = True


def evict(world: World) -> None:
    process = _any_process(world)
    process.entries.clear()
    if process.table is not None and world.choose(2):
        process.table.entries.clear()


def pause(world: World) -> None:
    world.now += 1 + world.choose(LEASE)


LABELS = (
    "agent: begins a round",
    "agent: has applied an intent",
    "agent: has computed the lease",
    "agent: has forgotten for the roster",
    "agent: has looked the session up",
    "agent: has read a message",
    "agent: has taken a message",
    "agent: listens",
    "agent: looks at the roster",
    "apply: has read the clock",
    "apply: has stored a slot",
    "apply: has the lock",
    "attach: done",
    "attach: has made a table",
    "change: applied",
    "change: published",
    "commit: answered",
    "commit: done",
    "commit: sent",
    "fill: is in L2",
    "fill: judged",
    "fill: may be stored",
    "flight: follows",
    "intent: recorded",
    "judge: has read the lease",
    "judge: has read the slots",
    "publish: has spent the number",
    "publish: has the lock",
    "publish: has written the heartbeat",
    "publish: has written the message",
    "read: answered",
    "read: sent",
    "request: sent",
    "rollback: sent",
    "touch: judged",
    "transaction: begun",
    "waits for a lock",
    "write: sent",
)
"""Where a thread can be caught."""

FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        ambush,
        kill_worker,
        kill_node,
        stop_worker,
        delete_directory,
        shut_down,
        isolate,
        cut_bus,
        lose_message,
        overwrite,
        repeat,
        hide_roster,
        lose_answer,
        evict,
        pause,
    )
}


def settle_one(world: World) -> None:
    """Let the database finish a commit whose client is dead, or gone; it may also roll it back."""
    flying = list(world.database.in_flight)
    if flying:
        transaction = flying[world.choose(len(flying))]
        client = world.database.in_flight[transaction].client
        commits = (client is not None and client.is_alive) or world.choose(3) < 2
        world.database.settle(transaction, world.now, commits=commits)
        world.note(f"the database {'commits' if commits else 'rolls back'} what was in flight")


def continue_one(world: World) -> None:
    stopped = [process for process in world.processes if process.is_stopped]
    if stopped:
        process = stopped[world.choose(len(stopped))]
        process.is_stopped = False
        world.note(f"SIGCONT to process {process.number}")


def heal(world: World) -> None:
    world.bus.isolated.clear()
    world.bus.is_down = False
    for node in world.nodes:
        node.sees_no_roster = False
    world.note("the bus and the roster are whole again")


RELIEFS: dict[str, Fault] = {relief.__name__: relief for relief in (settle_one, continue_one, heal)}


def fault(name: str) -> Fault:
    """Find a fault by its name, or make one of "kill at …", "stop at …", "delay at …" and a label."""
    found = FAULTS.get(name) or RELIEFS.get(name)
    if found is not None:
        return found
    action, label = name.split(" at ", 1)
    if label not in LABELS:
        raise KeyError(label)

    def lay_ambush(world: World) -> None:
        world.ambushes[label] = _AMBUSHES[action]

    return lay_ambush
