from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from nothing_shared.cache.hints import Hints
from nothing_shared.cache.l2 import L2
from nothing_shared.cache.records import open_records
from nothing_shared.locks import LockTimeout, MachineLock
from tests.cache import acts
from tests.cache.acts import MIB, is_whole, l2, whole
from tests.wait import wait_until

PAGES, PAGE = 4 * 4096 - 24, 4096 - 24


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[L2]:
    tier = l2(tmp_path)
    yield tier
    tier.close()


def on_disk(directory: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in directory.iterdir())


def test_a_record_is_what_was_put_last(tier: L2) -> None:
    assert tier.get("a") is None
    assert tier.put("a", b"1")
    assert tier.put("b", b"2")
    assert tier.put("a", b"3")
    assert (tier.get("a"), tier.get("b")) == (b"3", b"2")
    assert tier.delete("a")
    assert not tier.delete("a")
    assert tier.get("a") is None


@pytest.mark.parametrize("is_fragmented", [False, True])
@pytest.mark.parametrize(
    "length",
    [0, 1, *(n + m for n in (PAGE, PAGES, PAGES + PAGE, 2 * PAGES) for m in (-1, 0, 1)), 99_999],
)
def test_a_record_of_any_length_is_whole_and_so_is_the_next(
    tier: L2, length: int, is_fragmented: bool
) -> None:
    record = random.Random(1).randbytes(length)
    others = (b"short", random.Random(2).randbytes(4 * PAGES), b"")
    for number, other in enumerate(others):
        assert tier.put("a", other)
        hints_of(tier).is_fragmented = is_fragmented is bool(number % 2)
        assert tier.put("a", record)
        assert tier.get("a") == record
    assert tier.put("a", b"short again")
    assert tier.get("a") == b"short again"


def hints_of(tier: L2) -> Hints:
    records = tier._keeper.records
    assert records is not None
    return records.hints


@pytest.mark.parametrize(
    "name", ["", "a" * 490, "a" * 491, "ü" * 4_000, "\x00", "lone \ud800", "a\xff\x00\x01"]
)
def test_any_text_is_a_name(tier: L2, name: str) -> None:
    assert tier.put(name, b"its own")
    assert tier.put(name + "x", b"another's")
    assert tier.get(name) == b"its own"
    assert tier.delete(name)
    assert tier.get(name + "x") == b"another's"


def test_a_record_over_an_eighth_of_the_bound_is_refused_and_the_old_one_gone(tier: L2) -> None:
    assert tier.put("a", b"old")
    assert not tier.put("a", bytes(MIB // 8 + 1))
    assert tier.get("a") is None
    assert tier.put("a", bytes(MIB // 8))


def test_clear_forgets_everything(tier: L2) -> None:
    for number in range(100):
        tier.put(f"n{number}", b"x" * 1_000)
    tier.clear()
    assert tier.stats() == (0, 0)
    assert not [number for number in range(100) if tier.get(f"n{number}")]
    assert tier.put("n1", b"new")
    assert tier.get("n1") == b"new"


def test_stats_count_records_and_bytes(tier: L2) -> None:
    for number in range(10):
        tier.put(f"n{number}", b"x" * 20_000)
    tier.delete("n1")
    assert tier.stats().entries == 9
    assert 9 * 20_000 < tier.stats().bytes < 12 * 20_000


@pytest.mark.parametrize(
    ("bound", "lengths", "least_kept"),
    [
        (MIB, (20,), 40_000),
        (MIB, (900,), 0.45 * MIB),
        (MIB, (20, 120_000), 1),
        (8 * MIB, (100, 3_000, 30_000, 120_000), 5 * MIB),
    ],
    ids=str,
)
def test_the_files_stay_within_their_bytes_and_keep_the_newest(
    tmp_path: Path, bound: int, lengths: tuple[int, ...], least_kept: float
) -> None:
    tier, chance = l2(tmp_path, bound), random.Random(1)
    names = [f"n{number}" for number in range(2_500)]
    for number, name in enumerate(names):
        assert tier.put(name, whole(name, chance.choice(lengths)))
        if number % 500 == 0:
            assert on_disk(tmp_path) <= bound
    assert on_disk(tmp_path) <= bound
    kept = {name: record for name in names if (record := tier.get(name)) is not None}
    assert names[-1] in kept
    assert all(is_whole(name, record) for name, record in kept.items())
    assert sum(map(len, kept.values())) > least_kept
    tier.close()


def test_a_scan_does_not_wash_out_what_is_read_again(tier: L2) -> None:
    hot = [f"hot{number}" for number in range(100)]
    for _ in range(2):
        for name in hot:
            tier.put(name, bytes(1_000))
            tier.get(name)
    for number in range(5_000):
        tier.put(f"scanned once {number}", bytes(1_000))
        tier.get(hot[number % 100])
    assert sum(tier.get(name) is not None for name in hot) > 95


def test_what_is_no_longer_read_makes_room(tier: L2) -> None:
    chance = random.Random(1)
    for era in range(3):
        for _ in range(3_000):
            name = f"{era}-{chance.randrange(300)}"
            tier.get(name) or tier.put(name, bytes(1_000))
    assert sum(tier.get(f"2-{number}") is not None for number in range(300)) > 280


names = st.sampled_from([f"n{number}" for number in range(25)] + ["long" * 200])
lengths = st.sampled_from([0, 10, 900, PAGE, PAGES, 20_000, 60_000, 200_000])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, lengths),
        st.tuples(st.just("get"), names, st.just(0)),
        st.tuples(st.just("delete"), names, st.just(0)),
        st.tuples(st.just("put both, then raise"), names, lengths),
        st.tuples(st.sampled_from(["clear", "close", "lose"]), names, st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(operations)
def test_l2_holds_the_last_record_or_none_within_its_bytes(
    steps: list[tuple[str, str, int]],
) -> None:
    directory = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    tier, model = l2(directory, MIB // 2), dict[str, bytes]()
    try:
        for number, (step, name, length) in enumerate(steps):
            record = f"{number}:".encode() + bytes(length)
            if step == "put":
                stored = tier.put(name, record)
                model.pop(name, None)
                if stored:
                    model[name] = record
                assert tier.get(name) == model.get(name)
            elif step == "get":
                assert tier.get(name) in (None, model.get(name))
            elif step == "delete":
                tier.delete(name)
                model.pop(name, None)
            elif step == "put both, then raise":
                with pytest.raises(ZeroDivisionError), tier.write() as writing:
                    writing.put(name, record)
                    writing.put("both", record)
                    _ = 1 / 0
            elif step == "clear":
                tier.clear()
                model.clear()
            elif step == "close":
                tier.close()
            else:
                tier.get(name)
                shutil.rmtree(directory, ignore_errors=True)
                assert not tier.is_current()
            for known in {*model, name, "both"}:
                assert tier.get(known) in (None, model.get(known))
            assert not directory.exists() or on_disk(directory) <= MIB // 2
    finally:
        tier.close()
        shutil.rmtree(directory, ignore_errors=True)


def test_one_path_is_one_tier_in_a_process(tmp_path: Path, tier: L2) -> None:
    tier.put("a", b"1")
    (tmp_path / "link").symlink_to(tmp_path)
    assert l2(tmp_path / "link").get("a") == b"1"
    with pytest.raises(ValueError, match="in use with"):
        l2(tmp_path, 2 * MIB)
    with pytest.raises(ValueError, match="at least"):
        l2(tmp_path, 1_000)


def test_another_process_sees_what_this_one_put_and_the_other_way_round(
    tmp_path: Path, tier: L2
) -> None:
    tier.put("a", b"mine")
    assert acts.finish(acts.start(acts.get, tmp_path, "a")) == ["b'mine'"]
    assert acts.finish(acts.start(acts.put, tmp_path, "a", "theirs")) == ["True"]
    assert tier.get("a") == b"theirs"


def test_a_section_is_one_step_to_all_processes(tmp_path: Path, tier: L2) -> None:
    processes = [acts.start(acts.add_up, tmp_path, "sum", 200) for _ in range(4)]
    for process in processes:
        acts.finish(process)
    assert tier.get("sum") == b"800"


def test_a_section_sees_its_own_puts_and_others_see_its_end(tier: L2) -> None:
    with tier.write() as writing:
        assert writing.put("a", b"1")
        assert writing.get("a") == b"1"
        assert tier.get("a") is None
        assert writing.delete("a")
        assert writing.get("a") is None
        assert writing.put("b", b"2")
    assert (tier.get("a"), tier.get("b")) == (None, b"2")


def test_an_exception_in_a_section_undoes_it(tier: L2) -> None:
    tier.put("a", b"old")
    with pytest.raises(ZeroDivisionError), tier.write() as writing:
        writing.put("a", b"new")
        writing.put("b", b"new")
        _ = 1 / 0
    assert (tier.get("a"), tier.get("b")) == (b"old", None)
    assert tier.put("a", b"newer")


def test_a_stopped_writer_makes_others_time_out_and_readers_read(tmp_path: Path, tier: L2) -> None:
    for name in "abc":
        tier.put(name, b"1")
    stopped = acts.start(acts.stop_in_a_section, tmp_path)
    assert acts.said(stopped) == "inside"
    stopped.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(LockTimeout), tier.write(timeout=0.05):
            pass
        assert tier.get("a") == b"1"
        assert not tier.put("b", b"2")
        assert tier.delete("c")
        assert [tier.get(name) for name in "abc"] == [b"1", None, None]
    finally:
        stopped.send_signal(signal.SIGCONT)
        acts.finish(stopped)
    assert tier.get("mine") == b"half done"
    assert tier.put("a", b"3")


def test_a_stopped_writer_does_not_stop_clear(tmp_path: Path, tier: L2) -> None:
    tier.put("a", b"1")
    stopped = acts.start(acts.stop_in_a_section, tmp_path)
    assert acts.said(stopped) == "inside"
    tier._keeper.lock.timeout = 0.05
    tier.clear()
    assert tier.get("a") is None
    acts.finish(stopped)


def test_a_section_inside_a_section_times_out_and_leaves_the_outer_one(tier: L2) -> None:
    with tier.write() as writing:
        writing.put("a", b"1")
        with pytest.raises(LockTimeout), tier.write(timeout=0):
            pass
        assert not tier.put("b", b"2")
        assert writing.get("a") == b"1"
    assert tier.get("a") == b"1"
    assert tier.put("b", b"2")


def test_a_killed_writer_frees_the_section_and_leaves_nothing(tmp_path: Path, tier: L2) -> None:
    killed = acts.start(acts.stop_in_a_section, tmp_path)
    assert acts.said(killed) == "inside"
    killed.kill()
    killed.communicate()
    assert tier.put("a", b"1")
    assert (tier.get("mine"), tier.get("a")) == (None, b"1")


@pytest.mark.slow
def test_no_record_is_torn_however_often_its_writer_is_killed(tmp_path: Path, tier: L2) -> None:
    chance, found = random.Random(7), 0
    for seeds in ([f"{number}a", f"{number}b"] for number in range(25)):
        writers = [acts.fork(acts.keep_putting, str(tmp_path), seed) for seed in seeds]
        try:
            for seed in seeds:
                wait_until((tmp_path / f"begun-{seed}").exists)
            for _ in range(chance.randrange(1_000)):
                name = f"n{chance.randrange(60)}"
                record = tier.get(name)
                assert record is None or is_whole(name, record)
                found += record is not None
        finally:
            for writer in writers:
                os.kill(writer, signal.SIGKILL)
                os.waitpid(writer, 0)
        assert tier.put("after", seeds[0].encode())
        assert tier.get("after") == seeds[0].encode()
    assert found
    tier.reader_check()
    assert on_disk(tmp_path) <= MIB


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_children_and_their_parent_go_on(tmp_path: Path) -> None:
    tier = l2(tmp_path, 8 * MIB)
    tier.put("a", b"before")
    done = threading.Event()
    problems: list[str] = []

    def use() -> None:
        while not done.is_set():
            tier.put("busy", whole("busy", 20_000))
            record = tier.get("busy")
            if record is not None and not is_whole("busy", record):
                problems.append("torn")

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            children = [fork_and_use(tier, number) for number in range(8)]
            statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            assert statuses == [0] * 8
            for number in range(8):
                assert eventually(tier, f"child{number}") == b"was here"
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not problems
    assert tier.get("a") == b"before"
    assert tier.put("a", b"after")
    tier.close()


def eventually(tier: L2, name: str) -> bytes | None:
    """Read what is there: the lock, that opening the files takes, may be in demand."""
    return wait_until(lambda: tier.get(name))


def fork_and_use(tier: L2, number: int) -> int:
    child = os.fork()
    if not child:
        try:
            is_found = eventually(tier, "a") == b"before"
            wait_until(lambda: tier.put(f"child{number}", b"was here"))
            os._exit(0 if is_found and tier.get(f"child{number}") == b"was here" else 1)
        finally:
            os._exit(2)
    return child


def test_a_fork_inside_a_section_only_costs_the_section(tier: L2) -> None:
    tier.put("a", b"old")
    with tier.write() as writing:
        writing.put("a", b"new")
        child = os.fork()
        writing.put("a", b"newer")
        writing.put("b", b"new")
        assert writing.get("b") in (None, b"new")
    if not child:
        os._exit(0 if wait_until(lambda: tier.put("child", b"was here")) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert eventually(tier, "child") == b"was here"
    assert tier.get("a") in (None, b"old")
    assert tier.put("a", b"after")
    assert tier.get("a") == b"after"


@pytest.mark.parametrize("limit", [0, 70_000, 400_000, 1_500_000])
def test_a_full_disk_costs_misses_only(tmp_path: Path, limit: int) -> None:
    said = acts.finish(acts.start(acts.fill_a_small_disk, tmp_path, limit))
    stored, found, mixed_up, broken = map(int, said)
    assert (mixed_up, broken) == (0, 0)
    assert found <= stored
    assert (stored > 0) is (limit > 1_000_000)


def test_a_full_disk_leaves_no_old_record(tmp_path: Path, tier: L2) -> None:
    tier.put("a", b"old")
    assert acts.finish(acts.start(acts.replace_on_a_full_disk, tmp_path, "a")) == ["False", "None"]
    assert tier.get("a") is None


def junk(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(200_000))


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(20_000)


def cut_to_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(4096)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("suffix", ["", "-lock", "-hints"])
@pytest.mark.parametrize("damage", [junk, cut, cut_to_a_page, empty, os.unlink])
def test_damaged_files_are_replaced(tmp_path: Path, suffix: str, damage: object) -> None:
    assert callable(damage)
    tier = l2(tmp_path)
    for number in range(50):
        tier.put(f"n{number}", whole(f"n{number}", 2_000))
    tier.close()
    damage(tmp_path / f"l2.mdb{suffix}")
    for number in range(50):
        record = tier.get(f"n{number}")
        assert record is None or is_whole(f"n{number}", record)
    assert tier.put("a", b"new")
    assert tier.get("a") == b"new"
    assert acts.finish(acts.start(acts.get, tmp_path, "a")) == ["b'new'"]
    tier.close()


def opened_twice(path: Path, *openings: tuple[int, str]) -> list[int]:
    """Open files again and again; return how many sequence numbers had been drawn from each."""
    drawn = []
    for max_bytes, boot in openings:
        records = open_records(path, max_bytes, boot)
        drawn.append(records.hints.next_sequence())
        records.env.close()
    return drawn


def test_another_boots_files_are_replaced(tmp_path: Path) -> None:
    openings = [(MIB, "one boot"), (MIB, "one boot"), (MIB, "the next")]
    assert opened_twice(tmp_path / "l2.mdb", *openings) == [1, 2, 1]


def test_another_sizes_files_are_replaced(tmp_path: Path) -> None:
    openings = [(4 * MIB, ""), (MIB, ""), (MIB, ""), (4 * MIB, "")]
    assert opened_twice(tmp_path / "l2.mdb", *openings) == [1, 1, 2, 1]


@pytest.mark.parametrize("lost", ["files", "directory"])
def test_files_deleted_under_a_live_tier_cost_misses(tmp_path: Path, lost: str) -> None:
    directory = tmp_path / "node"
    directory.mkdir()
    tier = l2(directory)
    tier.put("a", b"1")
    assert tier.is_current()
    if lost == "directory":
        shutil.rmtree(directory)
    else:
        (directory / "l2.mdb").unlink()
    assert not tier.is_current()
    assert tier.get("a") in (None, b"1")
    assert tier.put("a", b"2")
    assert tier.is_current()
    assert tier.get("a") == b"2"
    assert acts.finish(acts.start(acts.get, directory, "a")) == ["b'2'"]
    tier.close()


def test_a_directory_that_cannot_be_made_costs_misses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    tier = l2(tmp_path / "file")
    with caplog.at_level(logging.WARNING, "nothing_shared.cache"):
        for _ in range(3):
            assert not tier.put("a", b"1")
            assert tier.get("a") is None
            assert not tier.delete("a")
            tier.clear()
            with tier.write() as writing:
                assert not writing.put("a", b"1")
                assert writing.get("a") is None
    assert len(caplog.records) == 1
    assert tier.stats() == (0, 0)
    assert tier.reader_check() == 0


def test_a_reader_that_holds_pages_does_not_stop_writers(tmp_path: Path, tier: L2) -> None:
    """A snapshot that is never let go of, as a stopped process may hold, fills the map in the end."""
    tier.put("a", b"1")
    records = tier._keeper.records
    assert records is not None
    snapshot = records.env.begin()
    for number in range(3_000):
        tier.put(f"n{number}", bytes(3_000))
    assert tier.put("after", b"2")
    assert tier.get("after") == b"2"
    assert snapshot.id()


def test_the_lock_may_be_the_callers(tmp_path: Path) -> None:
    lock = MachineLock(tmp_path / "lock")
    tier = L2(tmp_path / "l2.mdb", max_bytes=MIB, lock=lock)
    with lock.held(), pytest.raises(LockTimeout), tier.write(timeout=0):
        pass
    tier.close()
