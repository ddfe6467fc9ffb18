from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings, strategies as st

from nothing_shared.cache.entry import Entry
from nothing_shared.cache.ghosts import Ghosts
from nothing_shared.cache.l1 import L1

BOUND = 40_000


def entry(size: int = 100) -> Entry:
    return Entry.of(b"x" * size, begun=0, expires=0, slots=())


def of_list(items: int) -> Entry:
    """Return an entry that grows when it is read often."""
    return Entry.of([float(item) for item in range(items)], begun=0, expires=0, slots=())


def read(tier: L1, name: str) -> Entry | None:
    """Read as callers do: without a lock."""
    found = tier.entries.get(name)
    if found is not None:
        tier.visit(name, found)
    return found


def counted(tier: L1) -> int:
    """Return the bytes again, from the entries themselves."""
    return sum(tier.cost(name, found) for name, found in tier.entries.items())


names = st.sampled_from([f"n{number}" for number in range(30)])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, st.integers(0, 12_000)),
        st.tuples(st.just("put list"), names, st.integers(0, 120)),
        st.tuples(st.just("read"), names, st.just(0)),
        st.tuples(st.just("discard"), names, st.just(0)),
        st.tuples(st.sampled_from(["clear", "fork"]), names, st.just(0)),
    ),
    max_size=150,
)


@settings(deadline=None)
@given(operations)
def test_l1_holds_the_last_entry_or_none_within_its_bytes(
    steps: list[tuple[str, str, int]],
) -> None:
    tier, model = L1(BOUND), dict[str, Entry]()
    for step, name, size in steps:
        if step.startswith("put"):
            new = entry(size) if step == "put" else of_list(size)
            is_too_large = tier.cost(name, new) > BOUND // 4
            assert tier.put(name, new) is not is_too_large
            model[name] = new
            assert (tier.entries.get(name) is None) is is_too_large
            if is_too_large:
                del model[name]
        elif step == "read":
            read(tier, name)
        elif step == "discard":
            was_there = name in tier.entries
            assert tier.discard(name) is was_there
            model.pop(name, None)
        elif step == "clear":
            tier.clear()
            model.clear()
        else:
            tier.reset_locks()
        assert tier.bytes == counted(tier) <= BOUND
        assert all(model.get(name) is found for name, found in tier.entries.items())


def test_the_callers_dictionary_stays_the_same() -> None:
    tier = L1(BOUND)
    get = tier.entries.get
    tier.put("a", entry())
    tier.clear()
    tier.put("b", new := entry())
    assert get("a") is None
    assert get("b") is new
    assert len(tier) == 1


def test_an_entry_of_a_quarter_of_all_bytes_is_kept_and_a_larger_one_refused() -> None:
    tier = L1(BOUND)
    overhead = tier.cost("large", entry(0))
    assert tier.put("large", entry(BOUND // 4 - overhead))
    assert not tier.put("large", entry(BOUND // 4 - overhead + 1))
    assert "large" not in tier.entries
    assert tier.bytes == 0


def test_a_name_counts_for_its_length() -> None:
    tier = L1(BOUND)
    assert not tier.put("n" * (BOUND // 4), entry())


def test_a_scan_does_not_wash_out_what_is_read_again() -> None:
    tier = L1(BOUND)
    for _ in range(2):
        for number in range(20):
            tier.put(f"hot{number}", entry())
            read(tier, f"hot{number}")
    for number in range(1_000):
        tier.put(f"scanned once {number}", entry())
    assert sum(f"hot{number}" in tier.entries for number in range(20)) == 20


def test_what_is_no_longer_read_makes_room() -> None:
    tier, chance = L1(BOUND), random.Random(1)
    for era in range(3):
        for _ in range(2_000):
            name = f"{era}-{chance.randrange(20)}"
            read(tier, name) or tier.put(name, entry())
    assert sum(name.startswith("2-") for name in tier.entries) == 20


def test_a_replaced_entry_stays_as_popular_as_it_was() -> None:
    tier = L1(BOUND)
    tier.put("a", entry())
    read(tier, "a")
    tier.put("a", new := entry())
    assert new.frequency == 1


def test_a_small_queue_that_is_too_small_grows() -> None:
    """What is read again soon, but not so soon, is what a first-in first-out queue is good at."""
    tier = L1(100 * L1.cost("n1000", entry()))
    hits = 0
    for number in range(1000, 6000):
        tier.put(f"n{number}", entry())
        hits += read(tier, f"n{number - 60}") is not None
        if f"n{number - 60}" not in tier.entries:
            tier.put(f"n{number - 60}", entry())
    assert hits > 0.7 * 5_000


def test_threads_may_write_at_once() -> None:
    tier, problems = L1(BOUND), list[BaseException]()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for step in range(3_000):
                name = f"n{chance.randrange(60)}"
                read(tier, name)
                if step % 3:
                    tier.put(name, entry(chance.randrange(3_000)))
                else:
                    tier.discard(name)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert tier.bytes == counted(tier) <= BOUND


@pytest.fixture
def held() -> Iterator[Callable[[L1], None]]:
    """Have another thread hold the lock of a tier."""
    done = threading.Event()
    threads = []

    def hold(tier: L1) -> None:
        inside = threading.Event()

        def work() -> None:
            with tier._lock:
                inside.set()
                done.wait(10)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        inside.wait(10)

    yield hold
    done.set()
    for thread in threads:
        thread.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_amid_a_write_can_write(held: Callable[[L1], None]) -> None:
    tier = L1(BOUND)
    tier.put("a", entry())
    held(tier)
    child = os.fork()
    if not child:
        tier.reset_locks()
        os._exit(0 if tier.put("b", entry()) and tier.bytes == counted(tier) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_destructor_that_writes_amid_a_write_does_not_hang(held: Callable[[L1], None]) -> None:
    tier = L1(BOUND)
    tier.put("a", entry())
    held(tier)
    assert not tier.put("a", entry())
    assert "a" not in tier.entries


def test_a_ghost_is_recalled_once_and_within_its_window() -> None:
    ghosts = Ghosts(memoryview(bytearray(8 * 101)).cast("Q"))
    for fingerprint in range(1, 11):
        ghosts.add(fingerprint)
    assert ghosts.recall(10, window=5)
    assert not ghosts.recall(10, window=5)
    assert ghosts.recall(6, window=5)
    assert not ghosts.recall(5, window=5)
    assert not ghosts.recall(106, window=5)


def test_what_is_read_often_is_not_unpickled_any_more() -> None:
    tier, often = L1(BOUND), of_list(100)
    tier.put("often", often)
    for _ in range(2):
        read(tier, "often")
    before = tier.bytes
    assert often.packed is not None
    read(tier, "often")
    assert often.packed is None
    assert often.load() == [float(item) for item in range(100)]
    assert tier.bytes == counted(tier) > before


def test_what_would_grow_by_more_than_an_eighth_of_the_bound_stays_pickled() -> None:
    tier, often = L1(12_000), of_list(100)
    assert tier.put("often", often)
    for _ in range(4):
        read(tier, "often")
    assert often.packed is not None
    assert tier.bytes == counted(tier)


def test_an_entry_that_was_replaced_meanwhile_counts_for_nothing() -> None:
    tier, old, new = L1(BOUND), of_list(100), of_list(50)
    tier.put("a", old)
    tier.put("a", new)
    for _ in range(4):
        tier.visit("a", old)
    assert tier.entries["a"] is new
    assert tier.bytes == counted(tier)


def test_an_entry_put_while_another_thread_discards_the_old_one_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tier, new = L1(BOUND), of_list(100)
    tier.put("a", of_list(100))
    acquire = tier._acquire

    def put_first() -> bool:
        monkeypatch.undo()
        tier.put("a", new)
        return acquire()

    monkeypatch.setattr(tier, "_acquire", put_first)
    tier.discard("a")
    assert tier.entries["a"] is new
    for _ in range(4):
        read(tier, "a")
    assert tier.bytes == counted(tier)


def test_nothing_is_evicted_for_copies_and_they_take_an_eighth_at_most() -> None:
    tier, pickled = L1(400_000), 0
    for number in range(300):
        tier.put(f"n{number}", of_list(50))
        pickled = tier.bytes
    for _ in range(4):
        for number in range(300):
            assert read(tier, f"n{number}") is not None
    assert pickled < tier.bytes == counted(tier) <= pickled + 50_000
    for number in range(300):
        tier.discard(f"n{number}")
    tier.put("after", of_list(50))
    for _ in range(3):
        read(tier, "after")
    assert tier.entries["after"].packed is None, "what is gone takes nothing"


@pytest.mark.parametrize(("seconds", "is_copied"), [(2.0, True), (0.1, False)])
def test_what_replaces_a_copied_value_is_copied_unless_it_is_soon_replaced_again(
    seconds: float, is_copied: bool
) -> None:
    tier = L1(BOUND)
    for number in range(3):
        new = of_list(50)
        new.begun = int(number * seconds * 1e9)
        tier.put("hot", new)
        for _ in range(4):
            read(tier, "hot")
    assert (tier.entries["hot"].packed is None) is is_copied


def test_where_there_is_no_room_for_copies_nobody_looks_for_them() -> None:
    tier = L1(400_000)
    for number in range(300):
        tier.put(f"n{number}", of_list(50))
        for _ in range(3):
            read(tier, f"n{number}")
    looked_at = [entry.is_looked_at for entry in tier.entries.values()]
    settled = [entry.packed is None for entry in tier.entries.values()]
    assert sum(settled) > 20
    assert sum(looked_at) == sum(settled) + 1
