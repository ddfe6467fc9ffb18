from __future__ import annotations

import os
import threading
from pathlib import Path
from time import monotonic

import pytest

from nothing_shared.locks import LockTimeout, MachineLock
from tests.node.workers import Workers

_held: list[MachineLock] = []


def hold(path: Path) -> None:
    lock = MachineLock(path)
    lock.acquire(10)
    _held.append(lock)


def let_go() -> None:
    _held.pop().release()


def can_have(path: Path, timeout: float = 0.02) -> bool:
    lock = MachineLock(path)
    try:
        with lock.held(timeout):
            return True
    except LockTimeout:
        return False
    finally:
        lock.close()


def count_to(number: int, directory: Path) -> None:
    """Increment a number in a file, which only comes out right if nobody else does meanwhile."""
    lock, file = MachineLock(directory / "lock"), directory / "number"
    for _ in range(number):
        with lock.held(30):
            file.write_text(str(int(file.read_text()) + 1))


def fork_while_holding(path: Path) -> tuple[int, bool]:
    """Fork in the middle of a block; return the child's exit code, and whether the parent still holds."""
    lock = MachineLock(path)
    with lock.held(10):
        child = os.fork()
        if not child:
            lock.release()  # what leaving the parent's block comes to
            os._exit(1 if can_have(path) else 0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        is_held = not can_have(path)
    return code, is_held


def fork_and_use(path: Path) -> bool:
    """Have a child use the very object that its parent has used before; return whether it excludes."""
    lock = MachineLock(path)
    with lock.held(10):
        pass
    child = os.fork()
    if not child:
        with lock.held(10):
            os._exit(1 if can_have(path) else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_processes_exclude_each_other(tmp_path: Path, workers: Workers) -> None:
    (tmp_path / "number").write_text("0")
    counting = [workers.start() for _ in range(3)]
    for worker in counting:
        worker.begin(count_to, 40, tmp_path)
    for worker in counting:
        worker.result()
    assert (tmp_path / "number").read_text() == "120"


def test_threads_of_one_process_exclude_each_other_through_one_lock(tmp_path: Path) -> None:
    lock, number = MachineLock(tmp_path / "lock"), [0]

    def count() -> None:
        for _ in range(300):
            with lock.held(30):
                seen = number[0]
                os.sched_yield()
                number[0] = seen + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert number == [1200]


def test_two_locks_of_one_process_on_one_file_exclude_each_other(tmp_path: Path) -> None:
    with MachineLock(tmp_path / "lock").held():
        assert not can_have(tmp_path / "lock")
    assert can_have(tmp_path / "lock")


def test_the_wait_for_a_stopped_holder_is_bounded(tmp_path: Path, workers: Workers) -> None:
    holder = workers.start()
    holder.run(hold, tmp_path / "lock")
    holder.stop()
    began = monotonic()
    with pytest.raises(LockTimeout, match="another process held"):
        MachineLock(tmp_path / "lock").acquire(0.1)
    assert 0.1 <= monotonic() - began < 5
    holder.go_on()
    holder.run(let_go)
    assert can_have(tmp_path / "lock", 5)


def test_the_wait_for_another_thread_is_bounded(tmp_path: Path) -> None:
    lock = MachineLock(tmp_path / "lock")
    failures: list[LockTimeout] = []

    def wait() -> None:
        try:
            lock.acquire(0.02)
        except LockTimeout as failure:
            failures.append(failure)

    with lock.held():
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert "another thread held" in str(failures[0])
    with lock.held(0.0):
        pass


def test_a_killed_holder_holds_no_longer(tmp_path: Path, workers: Workers) -> None:
    holder = workers.start()
    holder.run(hold, tmp_path / "lock")
    assert not can_have(tmp_path / "lock")
    holder.kill()
    assert can_have(tmp_path / "lock", 5)


def test_a_timeout_of_zero_tries(tmp_path: Path) -> None:
    with MachineLock(tmp_path / "lock").held(0):
        assert not can_have(tmp_path / "lock", 0)


def test_a_forked_child_neither_holds_nor_releases_its_parents_lock(
    tmp_path: Path, workers: Workers
) -> None:
    assert workers.start().run(fork_while_holding, tmp_path / "lock") == (0, True)


def test_a_forked_child_locks_anew(tmp_path: Path, workers: Workers) -> None:
    assert workers.start().run(fork_and_use, tmp_path / "lock")


def test_a_lock_file_that_is_deleted_and_made_again_is_one_lock_for_all(tmp_path: Path) -> None:
    lock, path = MachineLock(tmp_path / "lock"), tmp_path / "lock"
    with lock.held():
        pass
    path.unlink()
    with lock.held():  # nobody has made it again: the old one is as good
        pass
    with MachineLock(path).held(), pytest.raises(LockTimeout):
        lock.acquire(0.02)


def test_a_failure_in_the_block_frees_the_lock(tmp_path: Path) -> None:
    lock = MachineLock(tmp_path / "lock")
    with pytest.raises(KeyError), lock.held():
        raise KeyError
    assert can_have(tmp_path / "lock")
