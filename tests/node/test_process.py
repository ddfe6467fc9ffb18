from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from nothing_shared.node import Change, hooks, layout, process, slots
from nothing_shared.node.intents import Overdue
from nothing_shared.node.process import Node
from nothing_shared.node.table import ChangeTable
from tests.node import acts
from tests.node.workers import Worker, Workers
from tests.wait import wait_until

EVENT, USER = slots.table("db", "event"), slots.table("db", "user")

_held: list[ChangeTable] = []
_announced: list[Change] = []
_sessions: set[int] = set()


@pytest.fixture
def start(workers: Workers, directory: Path, tmp_path: Path) -> partial[Worker]:
    """Starts a worker of the node; nothing of it is opened yet."""
    return partial(
        workers.start,
        NOTHING_SHARED_NODE={"DIRECTORY": str(directory), "SLOTS": 2**16, "LEASE": 0.4},
        NOTHING_SHARED_BUS={"LOCATION": str(tmp_path / "bus")},
    )


def hold_table(directory: Path) -> None:
    table = ChangeTable(directory)
    table.lock.acquire(10)
    _held.append(table)


def be_impatient() -> None:
    process.current().table.lock.timeout = 0.02


def commit_with_intent(*touched: int) -> bool:
    node = process.current()
    return node.commit(Change(touched), node.intend(touched))


def is_same_node_twice() -> bool:
    return process.current() is process.current()


def is_new_node_after_close() -> bool:
    first = process.current()
    process.close()
    return process.current() is not first


def other_node_in_child() -> bool:
    node = process.current()
    child = os.fork()
    if not child:
        os._exit(0 if process.current() is not node and process.current().pid == os.getpid() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def refuse(node: Node, change: Change) -> None:
    raise RuntimeError("this announcer is broken")


def break_announcers() -> None:
    hooks.on_announce(refuse)


def mend_announcers() -> None:
    hooks.announcers.remove(refuse)


def listen_to_announcements() -> None:
    hooks.on_announce(lambda node, change: _announced.append(change))


def announcements() -> list[Change]:
    return list(_announced)


def ask_for_sessions() -> None:
    hooks.on_orphan(_is_open)


def _is_open(overdue: Overdue) -> bool:
    if overdue.session == 13:
        raise ConnectionError("the database is away")
    return overdue.session in _sessions


def open_sessions(*sessions: int) -> None:
    _sessions.update(sessions)


def close_sessions() -> None:
    _sessions.clear()


def commit_on_replaced_node(directory: Path) -> tuple[bool, bool]:
    """Commit on a node whose directory was deleted; return success, and whether its heir heard."""
    old = process.current()
    intent = old.intend((EVENT,))
    shutil.rmtree(directory)
    wait_until(lambda: old.table.is_retired, what="the table is retired")
    heir = process.current()
    before = heir.table.clock()
    done = old.commit(Change((EVENT,)), intent)
    return done, not heir.table.fresh(before, heir.table.indexes((EVENT,)))


def commit_after_close() -> bool:
    node = process.current()
    intent = node.intend((EVENT,))
    process.close()
    return node.commit(Change((EVENT,)), intent)


def test_a_process_has_one_node(start: partial[Worker]) -> None:
    assert start().run(is_same_node_twice)


def test_a_closed_node_is_opened_anew(start: partial[Worker]) -> None:
    assert start().run(is_new_node_after_close)


def test_a_forked_child_opens_the_node_for_itself(start: partial[Worker]) -> None:
    assert start().run(other_node_in_child)


def test_a_commit_is_applied_and_announced_and_its_intent_cleared(start: partial[Worker]) -> None:
    worker = start()
    before = worker.run(acts.now)
    worker.run(listen_to_announcements)
    assert worker.run(commit_with_intent, EVENT)
    assert worker.run(acts.changed, EVENT) > before
    assert [change.slots for change in worker.run(announcements)] == [(EVENT,)]
    assert worker.run(acts.standing) == 0


def test_a_commit_that_changed_nothing_clears_its_intent_and_says_nothing(
    start: partial[Worker],
) -> None:
    worker = start()
    worker.run(listen_to_announcements)
    assert worker.run(commit_with_intent)
    assert worker.run(announcements) == []
    assert worker.run(acts.standing) == 0


def test_a_commit_that_cannot_have_the_lock_is_the_agents_to_carry_out_once(
    start: partial[Worker], directory: Path
) -> None:
    worker, holder = start(), start()
    worker.run(acts.join)
    worker.run(be_impatient)
    holder.run(hold_table, directory)
    holder.stop()
    assert not worker.run(commit_with_intent, EVENT)
    assert worker.run(acts.standing) == 1
    before = worker.run(acts.now)
    holder.kill()
    wait_until(lambda: worker.run(acts.changed, EVENT) > before, what="the agent applied it")
    wait_until(lambda: worker.run(acts.standing) == 0, what="the intent was buried")


def test_a_commit_whose_announcer_fails_does_not_fail_its_writer_and_is_not_lost(
    start: partial[Worker],
) -> None:
    worker = start()
    worker.run(acts.join)
    worker.run(break_announcers)
    assert not worker.run(acts.change, EVENT)
    assert worker.run(acts.standing) == 1
    worker.run(mend_announcers)
    worker.run(listen_to_announcements)
    wait_until(lambda: worker.run(acts.standing) == 0, what="the agent announced it")
    assert (EVENT,) in [change.slots for change in worker.run(announcements)]


def test_what_is_committed_after_the_node_was_closed_is_the_agents_and_keeps_nobody_waiting(
    start: partial[Worker],
) -> None:
    worker = start()
    assert not worker.run(commit_after_close)
    worker.run(acts.join)
    before = worker.run(acts.now)
    wait_until(lambda: worker.run(acts.changed, EVENT) > before, what="the agent applied it")
    wait_until(lambda: worker.run(acts.standing) == 0, what="the intent was buried")
    assert worker.run(acts.is_leased)


def test_the_intent_of_a_killed_writer_is_carried_out_and_buried(start: partial[Worker]) -> None:
    agent, writer = start(), start()
    agent.run(acts.join)
    wait_until(lambda: agent.run(acts.is_agent), what="the first one leads")
    writer.run(acts.intend, EVENT)
    before = agent.run(acts.now)
    writer.kill()
    wait_until(lambda: agent.run(acts.changed, EVENT) > before, what="the agent applied it")
    wait_until(lambda: agent.run(acts.standing) == 0, what="the intent was buried")


def test_the_intent_of_a_stalled_writer_is_carried_out_again_and_again_until_it_is_cleared(
    start: partial[Worker],
) -> None:
    agent, writer = start(), start()
    agent.run(acts.join)
    wait_until(lambda: agent.run(acts.is_agent), what="the first one leads")
    writer.run(acts.intend, EVENT)
    for _ in range(3):
        before = agent.run(acts.now)
        wait_until(lambda before=before: agent.run(acts.changed, EVENT) > before, what="applied")
    assert agent.run(acts.standing) == 1
    writer.kill()
    wait_until(lambda: agent.run(acts.standing) == 0, what="the intent was buried")


def test_a_dead_writers_intent_stands_while_its_database_session_may_still_commit(
    start: partial[Worker],
) -> None:
    agent, writer = start(), start()
    agent.run(acts.join)
    wait_until(lambda: agent.run(acts.is_agent), what="the first one leads")
    agent.run(ask_for_sessions)
    agent.run(open_sessions, 42)
    writer.run(partial(acts.intend, EVENT, session=42))
    writer.kill()
    for _ in range(3):
        before = agent.run(acts.now)
        wait_until(lambda before=before: agent.run(acts.changed, EVENT) > before, what="applied")
    assert agent.run(acts.standing) == 1
    closed = agent.run(acts.now)
    agent.run(close_sessions)
    wait_until(lambda: agent.run(acts.standing) == 0, what="the intent was buried")
    assert agent.run(acts.changed, EVENT) > closed, "what it committed last was carried out too"


def test_a_database_that_cannot_be_asked_leaves_the_intent_and_the_agent_lives(
    start: partial[Worker],
) -> None:
    agent, writer = start(), start()
    agent.run(acts.join)
    wait_until(lambda: agent.run(acts.is_agent), what="the first one leads")
    agent.run(ask_for_sessions)
    writer.run(partial(acts.intend, EVENT, session=13))
    writer.kill()
    for _ in range(3):
        before = agent.run(acts.now)
        wait_until(lambda before=before: agent.run(acts.changed, EVENT) > before, what="applied")
    assert agent.run(acts.standing) == 1
    assert agent.run(acts.is_leased)


def ask_the_database() -> None:
    hooks.on_orphan(_query)


def _query(overdue: Overdue) -> bool:
    """Do as causality does with PostgreSQL: ask on a connection of its own, and close it."""
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() is None
    finally:
        connection.close()


def test_a_session_may_be_looked_for_in_a_database(start: partial[Worker]) -> None:
    agent, writer = start(), start()
    agent.run(acts.join)
    wait_until(lambda: agent.run(acts.is_agent), what="the first one leads")
    agent.run(ask_the_database)
    writer.run(partial(acts.intend, EVENT, session=42))
    writer.kill()
    wait_until(lambda: agent.run(acts.standing) == 0, what="the intent was buried")
    assert agent.run(acts.is_leased)


def test_a_commit_on_a_node_whose_directory_was_deleted_reaches_its_heir(
    start: partial[Worker], directory: Path
) -> None:
    assert start().run(commit_on_replaced_node, directory) == (True, True)


def test_a_process_left_idle_joins_the_node_anew_when_its_directory_was_deleted(
    start: partial[Worker], directory: Path
) -> None:
    worker = start()
    first = worker.run(acts.join)
    shutil.rmtree(directory)
    wait_until((directory / f"changes-{layout.VERSION}.table").exists, what="a new table")
    wait_until(lambda: worker.run(acts.is_leased), what="it hears the bus again")
    assert worker.run(acts.table_id) != first
