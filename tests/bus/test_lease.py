from __future__ import annotations

from hypothesis import given, settings, strategies as st

from nothing_shared.bus.lease import Lease

ME, NORTH, SOUTH = 1, 2, 3
DURATION = 100


def lease(*roster: int, at: int = 50, **beats: int) -> Lease:
    made = Lease(DURATION, ME)
    names = {"me": ME, "north": NORTH, "south": SOUTH}
    for name, sent in beats.items():
        made.beat(names[name], sent)
    made.look(roster, at)
    return made


def test_there_is_none_before_ones_own_beat_came_back() -> None:
    assert lease(ME).until() == 0


def test_there_is_none_before_the_first_look_at_the_roster() -> None:
    made = Lease(DURATION, ME)
    made.beat(ME, 40)
    assert made.until() == 0


def test_it_counts_from_when_ones_own_beat_was_sent() -> None:
    assert lease(ME, me=40).until() == 140


def test_it_counts_from_when_the_roster_was_looked_at_if_that_is_longer_ago() -> None:
    assert lease(ME, me=60).until() == 150


def test_it_counts_from_the_node_that_was_not_heard_for_longest() -> None:
    assert lease(ME, NORTH, SOUTH, me=49, north=30, south=48).until() == 130


def test_there_is_none_while_a_node_on_the_roster_has_not_been_heard() -> None:
    assert lease(ME, NORTH, me=49).until() == 0


def test_a_node_that_left_the_roster_is_not_waited_for() -> None:
    made = lease(ME, NORTH, me=49, north=10)
    assert made.until() == 110
    made.look([ME], 50)
    assert made.until() == 149


def test_a_node_that_comes_back_must_be_heard_anew() -> None:
    made = lease(ME, NORTH, me=49, north=45)
    made.look([ME], 50)
    made.look([ME, NORTH], 51)
    assert made.until() == 0


def test_a_beat_that_comes_late_does_not_take_back_a_newer_one() -> None:
    made = lease(ME, me=49)
    made.beat(ME, 20)
    assert made.until() == 149


def test_this_node_counts_even_if_the_roster_does_not_show_it() -> None:
    assert lease(NORTH, north=49).until() == 0


EVENTS = st.lists(
    st.tuples(st.sampled_from(["beat", "look"]), st.sets(st.sampled_from([ME, NORTH, SOUTH])),
              st.integers(0, 30)),
    max_size=30,
)  # fmt: skip


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_it_never_outlasts_what_was_heard_by_more_than_its_duration(
    events: list[tuple[str, set[int], int]],
) -> None:
    made, now = Lease(DURATION, ME), 1
    heard: dict[int, int] = {}
    looked, roster = 0, set[int]()
    for what, nodes, passes in events:
        now += passes
        if what == "look":
            made.look(nodes, now)
            looked, roster = now, nodes
        else:
            for node in nodes:
                made.beat(node, now)
                heard[node] = now
        for node in {ME, *roster}:
            assert made.until() <= heard.get(node, -DURATION) + DURATION
        assert made.until() <= looked + DURATION
