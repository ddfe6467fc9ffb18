"""Processes that stop at the worst moment, clocks that jump: nobody hangs, and nothing stale is served."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.harness import Cluster, WorkerProcess
from tests.servers import PostgreSQLServer, postgresql
from tests.wait import wait_until

pytestmark = pytest.mark.slow

LEASE = 0.5
AGENT = "process.current().table.words[layout.AGENT_PID]"
STANDING = "process.current().intents.standing()"

STOP = """
import signal, threading
def stop(*args, **kwargs): signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
def stop_after(function):
    stops = iter([stop])
    def stopping(*args, **kwargs):
        result = function(*args, **kwargs)
        next(stops, int)()
        return result
    return stopping
from nothing_shared.node.table import ChangeTable
from nothing_shared.bus.ring import Ring
from nothing_shared.locks import MachineLock
"""

LOCKS = {
    "the table": "process.current().table.lock",
    "the intents": "process.current().intents._cells_lock",
    "the ring": "MachineLock(os_path('bus', 'ring.lock'))",
    "L2": "cache._store.l2._keeper.lock",
}


def is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def all_see(workers: list[WorkerProcess], pk: int, sold: int) -> bool:
    return all(worker(f"sold({pk})") == sold for worker in workers)


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster(CLUSTER_LEASE=str(LEASE))


# A writer that stalls -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        "connection._commit = stop_after(connection._commit)",
        "ChangeTable.apply = stop_after(ChangeTable.apply)",
        "Ring.append = stop_after(Ring.append)",
    ],
    ids=["after the commit", "after it is applied", "with the ring's lock"],
)
def test_what_a_stopped_writer_committed_is_heard_and_waking_up_breaks_nothing(
    cluster: Cluster, point: str
) -> None:
    colleague, writer, elsewhere = cluster.worker("a"), cluster.worker("a"), cluster.worker("b")
    others = [colleague, elsewhere]
    assert all_see(others, 1, 0)
    selling = writer.start(
        f"""{STOP}{point}
begin()
with transaction.atomic():
    Stall.objects.filter(pk=1).update(sold=1)
"sold"
"""
    )
    began = time.monotonic()
    wait_until(lambda: all_see(others, 1, 1), what="the others to forget")
    assert time.monotonic() - began < 12 * LEASE
    writer.kill(signal.SIGCONT)
    assert selling.get() == "sold"
    assert all_see([*others, writer], 1, 1)
    wait_until(lambda: colleague(STANDING) == 0, what="the intent's end")
    assert elsewhere("sell(1)") == 2
    wait_until(lambda: all_see([*others, writer], 1, 2), what="the next change")


def test_a_commit_by_a_writer_that_slept_longer_than_any_lease_is_heard(cluster: Cluster) -> None:
    """It is stopped before its COMMIT, and commits when it wakes up."""
    colleague, writer, elsewhere = cluster.worker("a"), cluster.worker("a"), cluster.worker("b")
    assert all_see([colleague, elsewhere], 1, 0)
    selling = writer.start(
        f"""{STOP}
commit = connection._commit
connection._commit = lambda: (stop(), commit())
begin()
with transaction.atomic():
    Stall.objects.filter(pk=1).update(sold=1)
"sold"
"""
    )
    wait_until(lambda: is_stopped(writer.pid), what="the writer to stop")
    for _ in range(3):
        assert all_see([colleague, elsewhere], 1, 0)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2 * LEASE, what="the lease to pass")
    assert all_see([colleague, elsewhere], 1, 0)
    writer.kill(signal.SIGCONT)
    assert selling.get() == "sold"
    wait_until(lambda: all_see([colleague, elsewhere, writer], 1, 1), what="the commit")


# Somebody who stops with a lock -------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS)
def test_whoever_stops_with_a_lock_keeps_nobody_from_true_answers(
    cluster: Cluster, lock: str
) -> None:
    colleague, elsewhere = cluster.worker("a"), cluster.worker("b")
    holder, newcomer = cluster.worker("a"), cluster.worker("a")
    others = [colleague, elsewhere, newcomer]
    assert all_see([*others, holder], 1, 0)
    assert all_see(others, 2, 0)
    holder.start(
        f"""{STOP}
from pathlib import Path
os_path = lambda *parts: Path({str(cluster.directory)!r}).joinpath(*parts)
with {LOCKS[lock]}.held(10): stop()
"awake"
"""
    )
    wait_until(lambda: is_stopped(holder.pid), what="the holder to stop")
    began = time.monotonic()
    for sold, writer in enumerate(others, start=1):
        assert writer("sell(1)") == sold
        assert writer("sold(1)") == sold, "whoever wrote sees it at once"
        wait_until(lambda sold=sold: all_see(others, 1, sold), what="the others")  # type: ignore[misc]
    assert all_see(others, 2, 0)
    assert all_see(others, 3, 0), "a miss, too"
    assert time.monotonic() - began < 60, "nobody waits for long"
    holder.kill(signal.SIGCONT)
    wait_until(lambda: all_see([*others, holder], 1, 3), what="all to see what is true")
    for worker in (*others, holder):
        wait_until(lambda worker=worker: worker("tier(1)") == "l1", what="hits again")  # type: ignore[misc]
    assert elsewhere("sell(1)") == 4
    wait_until(lambda: all_see([*others, holder], 1, 4), what="the next change")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_cache_call_raises_nothing_while_a_lock_is_stuck(cluster: Cluster, lock: str) -> None:
    colleague, holder = cluster.worker("a"), cluster.worker("a")
    colleague("begin(); cache.set('k', 1); cache.set('n', 1)")
    holder.start(
        f"""{STOP}
from pathlib import Path
os_path = lambda *parts: Path({str(cluster.directory)!r}).joinpath(*parts)
with {LOCKS[lock]}.held(10): stop()
"""
    )
    wait_until(lambda: is_stopped(holder.pid), what="the holder to stop")
    said = colleague(
        """
begin()
from nothing_shared.cache import invalidate
[
    cache.set("k", 2), cache.get("k"), cache.delete("k"), cache.get("k"), cache.add("new", 1),
    cache.touch("n", 60), cache.get_or_set("other", 5), cache.clear(), invalidate("weather"),
    cache.get("k"), cache.get("n"),
]
"""
    )
    holder.kill(signal.SIGCONT)
    assert said[1] in (2, None)
    assert said[3] is None
    assert said[6] == 5
    assert said[-2:] == [None, None], "cleared"


# Clocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("years", [-1, 1])
def test_a_wall_clock_that_jumps_changes_nothing(cluster: Cluster, years: int) -> None:
    jumper, colleague, elsewhere = cluster.worker("a"), cluster.worker("a"), cluster.worker("b")
    workers = [jumper, colleague, elsewhere]
    assert all_see(workers, 1, 0)
    assert all_see(workers, 2, 0)
    jumper(
        f"""
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + {years} * 366 * 86400
time.time_ns = lambda: nanoseconds() + {years} * 366 * 86400 * 10**9
"""
    )
    assert jumper("tier(1)") == "l1"
    assert jumper("sell(1)") == 1
    wait_until(lambda: all_see(workers, 1, 1), what="a change of the jumper's")
    assert elsewhere("sell(1)") == 2
    wait_until(lambda: all_see(workers, 1, 2), what="a change that the jumper hears")
    assert [worker("tier(2)") for worker in workers] == ["l1"] * 3
    assert jumper("begin(); cache.set('short', 1, 0.2); cache.get('short')") == 1
    wait_until(lambda: jumper("begin(); cache.get('short')") is None, what="its timeout")
    assert jumper("begin(); cache.set('long', 1, 600); cache.get('long')") == 1


# A site with PostgreSQL ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQLServer]:
    with postgresql() as started:
        yield started


@pytest.fixture
def on_postgresql(
    server: PostgreSQLServer, make_cluster: Callable[..., Cluster], request: pytest.FixtureRequest
) -> Cluster:
    import psycopg

    name = f"cluster_{abs(hash(request.node.name))}"
    address = {"host": "127.0.0.1", "port": server.port, "user": server.user}
    with psycopg.connect(**address, dbname="postgres", autocommit=True) as raw:
        raw.execute(f"CREATE DATABASE {name}")
    settings: dict[str, Any] = {**server.settings(name), **getattr(request, "param", {})}
    return make_cluster(CLUSTER_LEASE=str(LEASE), CLUSTER_DATABASE=json.dumps(settings))


LEVELS = {"read committed": {}, "repeatable read": {"OPTIONS": {"isolation_level": 3}}}
IN_ANY_LEVEL = pytest.mark.parametrize(
    "on_postgresql", LEVELS.values(), ids=LEVELS.keys(), indirect=True
)


@IN_ANY_LEVEL
@pytest.mark.parametrize("way", ["sold", "plain_sold"])
@pytest.mark.parametrize("where", ["b", "a"])
def test_on_postgresql_a_fill_that_a_write_overtook_is_not_served(
    on_postgresql: Cluster, way: str, where: str
) -> None:
    reader, other = on_postgresql.worker("a"), on_postgresql.worker(where)
    filling = reader.start(f"slow_{way}(1)")
    reader.reached("loaded")
    assert other("sell(1)") == 1
    reader.signal("loaded")
    assert filling.get() == 0
    wait_until(lambda: reader(f"{way}(1)") == 1, what="the news")
    wait_until(lambda: reader("tier(1)") == "l1", what="it to be kept")


@IN_ANY_LEVEL
def test_on_postgresql_a_fill_in_a_transaction_is_never_older_than_it_is_thought(
    on_postgresql: Cluster,
) -> None:
    reader, writer = on_postgresql.worker("a"), on_postgresql.worker("b")
    reader("begin(); block = transaction.atomic(); block.__enter__(); load(2)")
    assert writer("sell(1)") == 1
    heard = "process.current().table.changed[1]"
    wait_until(lambda: reader(heard) > 0, what="the news to arrive")
    seen = reader('cache.get_or_set("sold:1", lambda: load(1), 600)')
    assert seen == reader("load(1)"), "what its transaction sees"
    reader("block.__exit__(None, None, None)")
    wait_until(lambda: reader("sold(1)") == 1, what="the truth")
    for _ in range(3):
        assert reader("sold(1)") == writer("sold(1)") == 1


@pytest.mark.parametrize("way", ["in a transaction", "in autocommit"])
def test_a_commit_that_outlives_its_killed_client_is_heard_when_it_is_done(
    on_postgresql: Cluster, way: str
) -> None:
    """SIGKILL while the server commits: it goes on, and says so to nobody."""
    colleague, victim, elsewhere = (on_postgresql.worker(node) for node in "aab")
    others = [colleague, elsewhere]
    colleague(
        f"""
with connection.cursor() as cursor:
    cursor.execute('''CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END' ''')
    cursor.execute('''CREATE CONSTRAINT TRIGGER lingers AFTER UPDATE ON fair_stall
        {"DEFERRABLE INITIALLY DEFERRED" if way == "in a transaction" else ""}
        FOR EACH ROW EXECUTE FUNCTION linger()''')
"""
    )
    assert all_see(others, 1, 0)
    victim.start(
        """
begin()
with transaction.atomic():
    Stall.objects.filter(pk=1).update(sold=1)
"""
        if way == "in a transaction"
        else "sell(1)"
    )
    sleeping = """
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    sleepers = cursor.fetchone()[0]
sleepers
"""
    wait_until(lambda: colleague(sleeping) == 1, what="the server to commit")
    victim.kill()
    assert all_see(others, 1, 0), "not yet"
    wait_until(lambda: colleague("begin(); load(1)") == 1, what="the commit")
    wait_until(lambda: all_see(others, 1, 1), what="the change to be heard")
    wait_until(lambda: colleague(STANDING) == 0, what="the intent to be buried")
    wait_until(lambda: all(other("tier(1)") == "l1" for other in others), what="hits")


def test_on_postgresql_a_terminated_session_is_heard_if_it_had_committed(
    on_postgresql: Cluster,
) -> None:
    """``pg_terminate_backend`` right after the COMMIT, before the worker knows of it."""
    reader, writer, elsewhere = (on_postgresql.worker(node) for node in "aab")
    assert all_see([reader, elsewhere], 1, 0)
    reader(
        """
def terminate(pid):
    with connection.cursor() as cursor: cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
"""
    )
    writing = writer.start(
        """
commit = connection._commit
def terminated():
    commit()
    global pid
    pid = connection.connection.info.backend_pid
    wait("committed")
    connection.connection.execute("SELECT 1")
connection._commit = terminated
from django.db import Error
begin()
try:
    with transaction.atomic():
        Stall.objects.filter(pk=1).update(sold=1)
except Error as failure:
    outcome = type(failure).__name__
outcome
"""
    )
    writer.reached("committed")
    reader(f"terminate({writer('pid')})")
    writer.signal("committed")
    assert writing.get() in ("OperationalError", "InterfaceError")
    wait_until(lambda: all_see([reader, elsewhere], 1, 1), what="the change to be heard")
