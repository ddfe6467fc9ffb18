"""The change table against a dictionary."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings, strategies as st

from nothing_shared.node import Change, layout, slots
from nothing_shared.node.table import ChangeTable
from tests.node.clocks import HandClock

SIZE = 1024
IDS = st.sampled_from([1, 2, 3, 1 + layout.APPLIED_CELLS, 2 + layout.APPLIED_CELLS])
SLOTS = st.sampled_from([slots.EPOCH, slots.ANY, 2, 3, SIZE, SIZE + 2, 2**32 - 1])
CHANGES = st.builds(Change, st.lists(SLOTS, max_size=3).map(tuple), IDS, st.just(()))
STEPS = st.lists(st.tuples(CHANGES, st.integers(-3, 5)), max_size=20)


class Model:
    """What a change table means, in the fewest words."""

    def __init__(self, created: int) -> None:
        self.changed = {slots.EPOCH: created}
        self.applied: dict[int, int] = {}

    def apply(self, change: Change, now: int) -> bool:
        cell = change.id % layout.APPLIED_CELLS
        if self.applied.get(cell) == change.id:
            return False
        self.applied[cell] = change.id
        for slot in (slots.ANY, *change.slots):
            place = self.place(slot)
            self.changed[place] = max(now, self.changed.get(place, 0))
        return True

    def fresh(self, begun: int, touched: tuple[int, ...]) -> bool:
        places = [slots.EPOCH, *map(self.place, touched)]
        return all(self.changed.get(place, 0) < begun for place in places)

    @staticmethod
    def place(slot: int) -> int:
        if slot in (slots.EPOCH, slots.ANY):
            return slot
        return slot % SIZE if slot % SIZE > 1 else slot % SIZE + 2


@given(steps=STEPS, asked=st.lists(SLOTS, max_size=3).map(tuple))
@settings(max_examples=60, deadline=None)
def test_the_table_does_as_a_dictionary_would(
    steps: list[tuple[Change, int]], asked: tuple[int, ...]
) -> None:
    with TemporaryDirectory() as place:
        clock = HandClock(1000)
        table, model = ChangeTable(Path(place), slot_count=SIZE, clock=clock), Model(1000)
        for change, passes in steps:
            clock.advance(passes)
            assert bool(table.apply(change)) == model.apply(change, clock())
            for begun in range(clock() - 5, clock() + 6):
                assert table.fresh(begun, table.indexes(asked)) == model.fresh(begun, asked)
