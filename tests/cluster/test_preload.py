"""Workers forked off a master that has used everything: each hits, fills, writes and is heard."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.harness import Cluster
from tests.cluster.web import PRELOAD, WebServer, serving
from tests.wait import wait_until

pytestmark = pytest.mark.slow

FORK = """
import fcntl, json, warnings
from django.db import connections
from tests.processes import open_files
warnings.simplefilter("ignore")

def act(number):
    from nothing_shared.locks import LockTimeout
    seen = {"pid": os.getpid(), "hit": tier(1), "fill": sold(2), "sold": sell(number % 5 + 1)}
    seen["sockets"] = [name for name in open_files().values() if name.startswith("socket:")]
    seen["has_opened"] = cache._store.l2._keeper.records is not None
    return seen

def fork(number):
    readable, writable = os.pipe()
    pid = os.fork()
    if not pid:
        assert cache._store.l2._keeper.records is None
        answer = {"error": "raised"}
        try:
            answer = act(number)
        except BaseException as failure:
            answer = {"error": repr(failure)}
        finally:
            os.write(writable, json.dumps(answer).encode() + b"\\n")
            # It stays, so that no number of a socket or process is used twice.
            os.read(going, 1)
            os._exit(0)
    os.close(writable)
    return readable

going, go = os.pipe()
tier(1)
connections.close_all()
answers = [fork(number) for number in range(8)]
answers = [json.loads(os.fdopen(answer).readline()) for answer in answers]
os.write(go, b"x" * 8)
for _ in answers: os.wait()
[answers, [name for name in open_files().values() if name.startswith("socket:")]]
"""


def assert_nothing_is_shared(answers: list[dict[str, Any]], masters: list[str]) -> None:
    sockets = [name for answer in answers for name in answer["sockets"]]
    assert len(sockets) == len(set(sockets))
    assert set(sockets).isdisjoint(masters)


def test_eight_forks_of_a_worker_that_has_used_everything_share_nothing(cluster: Cluster) -> None:
    elsewhere, parent = cluster.worker("b"), cluster.worker("a")
    assert elsewhere("sold(1)") == parent("sold(1)") == 0
    answers, own = parent(FORK)
    assert not [answer for answer in answers if "error" in answer]
    assert {answer["hit"] for answer in answers} <= {"l1", "l2", "miss"}
    assert all(answer["has_opened"] for answer in answers), "each has opened LMDB for itself"
    assert_nothing_is_shared(answers, own)
    truth = [parent(f"load({pk})") for pk in range(1, 6)]
    assert sum(truth) == 8
    for worker in (parent, elsewhere):
        wait_until(
            lambda worker=worker: [worker(f"sold({pk})") for pk in range(1, 6)] == truth,  # type: ignore[misc]
            what="all changes to be heard",
        )


def test_forked_workers_exclude_each_other(cluster: Cluster) -> None:
    """A lock inherited open would be one lock for parent and child."""
    parent = cluster.worker("a")
    parent("sold(1)")
    said = parent(
        """
import warnings
from nothing_shared.locks import LockTimeout
warnings.simplefilter("ignore")
locks = [process.current().table.lock, cache._store.l2._keeper.lock]
outcome = []
for lock in locks:
    with lock.held():
        readable, writable = os.pipe()
        pid = os.fork()
        if not pid:
            answer = b"error"
            try:
                with lock.held(0.2): answer = b"shared"
            except LockTimeout:
                answer = b"excluded"
            finally:
                os.write(writable, answer)
                os._exit(0)
        os.waitpid(pid, 0)
        outcome.append(os.read(readable, 99).decode())
outcome
"""
    )
    assert said == ["excluded", "excluded"]


def test_eight_workers_of_a_preloading_gunicorn_hit_fill_write_and_are_heard(
    make_cluster: Callable[..., Cluster],
) -> None:
    cluster = make_cluster(CLUSTER_LEASE="1")
    elsewhere = cluster.worker("b")
    assert elsewhere("sold(1)") == 0
    with serving(cluster, "a", PRELOAD) as server:
        workers = everyone(server)
        assert len(workers) == 8
        assert_nothing_is_shared(list(workers.values()), [])
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: server.ask("/stalls/1/sell/", "POST"), range(40)))
        wait_until(lambda: elsewhere("sold(1)") == 40, what="all writes to be heard")
        seen: dict[int, set[str]] = {}

        def look(_: int) -> None:
            answer = server.ask("/stalls/1/")
            assert answer["sold"] == 40
            seen.setdefault(answer["pid"], set()).add(answer["tier"])

        def all_hit() -> bool:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(look, range(40)))
            return len(seen) == 8 and all("l1" in tiers for tiers in seen.values())

        wait_until(all_hit, timeout=30, what="every worker to hit")
        assert elsewhere("sell(1)") == 41
        wait_until(lambda: all_see(server, 41), what="every worker to hear")


def everyone(server: WebServer) -> dict[int, dict[str, Any]]:
    """Ask until no more workers answer that have not before."""
    found: dict[int, dict[str, Any]] = {}

    def ask(_: int) -> None:
        answer = server.ask("/sockets/")
        listening = {name for name in answer["sockets"] if is_listening(name, server.port)}
        connected = {name for name in answer["sockets"] if is_connected(name, server.port)}
        answer["sockets"] = sorted(set(answer["sockets"]) - listening - connected)
        found[answer["pid"]] = answer

    def all_eight() -> bool:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(64)))
        return len(found) == 8

    wait_until(all_eight, timeout=30, what="eight workers to answer")
    return found


def is_listening(socket: str, port: int) -> bool:
    return any(inode in socket and state == "0A" for inode, state in connections(port))


def is_connected(socket: str, port: int) -> bool:
    return any(inode in socket and state != "0A" for inode, state in connections(port))


def connections(port: int) -> list[tuple[str, str]]:
    """Return inode and state of every TCP socket of a port."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return [(f"[{row[9]}]", row[3]) for row in rows if row[1].endswith(f":{port:04X}")]


def all_see(server: WebServer, sold: int) -> bool:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.ask("/stalls/1/")["sold"], range(32)))
    return set(answers) == {sold}
