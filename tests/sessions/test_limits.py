from __future__ import annotations

from hypothesis import given, strategies as st

from nothing_shared.clock import SECOND
from nothing_shared.sessions.header import Header, Kind, flags_of
from nothing_shared.sessions.limits import Limits
from nothing_shared.sessions.wall import WallClock

NOW = 1_800_000_000
DAY = 86_400


def issued(limits: Limits, now: int, age: float, *, born: int | None = None) -> Header:
    born = now if born is None else born
    return Header(flags_of(Kind.WHOLE), bytes(16), born, now, limits.expiry(born, now, age))


@given(st.integers(-30, 30), st.integers(120, 14 * DAY), st.data())
def test_two_nodes_half_a_minute_apart_lose_no_session(
    skew: int, age: int, data: st.DataObject
) -> None:
    limits = Limits(absolute=60 * DAY)
    head = issued(limits, NOW, age)
    passed = data.draw(st.integers(0, age))
    assert limits.is_alive(head, NOW + passed + skew)


@given(st.integers(1, 14 * DAY))
def test_a_session_ends_by_itself_at_most_the_leeway_late(age: int) -> None:
    limits = Limits(absolute=60 * DAY)
    head = issued(limits, NOW, age)
    assert limits.is_alive(head, NOW + age)
    assert not limits.is_alive(head, NOW + age + min(age, 60) + 1)


def test_what_was_born_expired_never_counts() -> None:
    limits = Limits(absolute=60 * DAY)
    assert not limits.is_alive(issued(limits, NOW, -10), NOW)
    assert not limits.is_alive(issued(limits, NOW, 0), NOW)


def test_what_comes_from_further_in_the_future_than_clocks_differ_does_not_count() -> None:
    limits = Limits(absolute=60 * DAY)
    head = issued(limits, NOW + 61, DAY)
    assert not limits.is_alive(head, NOW)
    assert limits.is_alive(head, NOW + 1)


def test_no_use_prolongs_a_session_past_its_absolute_age() -> None:
    limits = Limits(absolute=10 * DAY)
    late = issued(limits, NOW + 9 * DAY, 14 * DAY, born=NOW)
    assert late.expires == NOW + 10 * DAY
    shortened = Limits(absolute=5 * DAY)
    assert not shortened.is_alive(late, NOW + 9 * DAY), "nor where the limit was lowered since"


def test_an_idle_session_ends_and_one_in_use_goes_on() -> None:
    limits = Limits(absolute=60 * DAY, idle=600)
    head = issued(limits, NOW, 14 * DAY)
    assert head.expires == NOW + 600
    assert not limits.is_due(head, NOW + 59)
    assert limits.is_due(head, NOW + 60), "a tenth of the idle age"
    assert Limits(absolute=60 * DAY, idle=600, refresh=5).is_due(head, NOW + 5)
    assert not limits.is_alive(head, NOW + 661)


class Clocks:
    def __init__(self) -> None:
        self.boot, self.wall = 100 * SECOND, NOW * SECOND

    def pass_(self, seconds: float) -> None:
        self.boot += int(seconds * SECOND)
        self.wall += int(seconds * SECOND)

    def made(self) -> WallClock:
        return WallClock(wall=lambda: self.wall, boot=lambda: self.boot)


@given(st.integers(-400 * DAY, 400 * DAY))
def test_a_clock_that_is_set_wrong_and_right_again_moves_ours_by_seconds(step: int) -> None:
    clocks = Clocks()
    clock = clocks.made()
    clocks.wall += step * SECOND
    clocks.pass_(300)
    assert abs(clock() - (NOW + 300)) <= 30
    clocks.wall -= step * SECOND
    clocks.pass_(300)
    assert abs(clock() - (NOW + 600)) <= 60


@given(st.integers(-400 * DAY, 400 * DAY), st.integers(0, 500))
def test_a_step_of_the_clock_neither_ends_nor_extends_a_session(step: int, after: int) -> None:
    """Within the ten minutes after it, and beyond the leeway."""
    limits = Limits(absolute=60 * DAY)
    clocks = Clocks()
    clock = clocks.made()
    going, ended = issued(limits, int(clock()), DAY), issued(limits, int(clock()) - 400, 300)
    clocks.wall += step * SECOND
    clocks.pass_(after)
    assert limits.is_alive(going, clock())
    assert not limits.is_alive(ended, clock())


def test_a_correction_that_lasts_for_ten_minutes_is_taken_over() -> None:
    clocks = Clocks()
    clocks.wall += 3600 * SECOND  # until the node has asked what time it is
    clock = clocks.made()
    clocks.pass_(5)
    clocks.wall -= 3600 * SECOND
    for _ in range(11):
        clocks.pass_(60)
        clock()
    assert clock() == clocks.wall / SECOND


def test_who_was_idle_for_a_night_follows_a_step_no_faster() -> None:
    clocks = Clocks()
    clock = clocks.made()
    clocks.pass_(8 * 3600)
    clocks.wall += 2400 * SECOND
    assert abs(clock() - (clocks.wall / SECOND - 2400)) <= 60


def test_small_corrections_are_followed_as_they_come() -> None:
    clocks = Clocks()
    clock = clocks.made()
    for _ in range(10):
        clocks.pass_(1)
        clocks.wall += SECOND // 100
        assert abs(clock() - clocks.wall / SECOND) < 1e-6
