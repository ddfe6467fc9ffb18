"""Files of a change table that are unusable, lost, or left by processes that were killed."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

import pytest

from nothing_shared.node import Change, Position, layout, slots
from nothing_shared.node.positions import Reached
from nothing_shared.node.table import FILE_NAME, ChangeTable, _create
from tests.node.clocks import HandClock, last_moment
from tests.node.dying import deaths
from tests.node.workers import Died, Workers

SMALL = 1024
DATABASE = slots.database("db")
EVENT, USER = slots.table("db", "event"), slots.table("db", "user")


@pytest.fixture
def table(directory: Path, clock: HandClock) -> ChangeTable:
    made = ChangeTable(directory, slot_count=SMALL, clock=clock)
    clock.advance()
    return made


def inherit_from_killed_writers(directory: Path) -> int:
    """Have writers killed on each line of an apply, and apply what they left; return how many."""
    table, step = ChangeTable(directory, slot_count=SMALL), 0
    touched = (EVENT, USER, slots.EPOCH)
    table.enter(DATABASE)
    cells = table.positions.cells(DATABASE, None)
    assert cells is not None
    table.settle(table.positions.seen(cells), Position(1, 1, 0))

    def change(step: int) -> Change:
        return Change(touched, id=step, positions=(Reached(DATABASE, Position(1, 1, step)),))

    before = table.clock()
    for step in deaths(ChangeTable.apply, lambda step: table.apply(change(step))):
        table.apply(change(step))
        assert all(table.changed[index] > before for index in table.indexes(touched)), step
        assert table.positions.highest(cells) == Position(1, 1, step)
        assert not table.apply(change(step))
        before = table.clock()
    return step


def inherit_from_killed_makers(directory: Path) -> int:
    step = 0
    for step in deaths(_create, lambda step: ChangeTable(directory, slot_count=SMALL)):
        table = ChangeTable(directory, slot_count=SMALL)
        assert table.apply(Change((EVENT,))), step
        assert sorted(path.name for path in directory.iterdir()) == [FILE_NAME, "changes.lock"]
        table.path.unlink()
    return step


def change_at_last_moment(directory: Path, change: Change) -> None:
    table = ChangeTable(directory, slot_count=SMALL)
    table.clock = last_moment
    table.apply(change)


def create_on_a_full_disk(directory: Path) -> tuple[int, list[str]]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    try:
        ChangeTable(directory)
    except OSError as failure:
        return failure.errno or 0, sorted(path.name for path in directory.iterdir())
    return 0, []


def overwrite(path: Path, word: int, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(word * 8)
        file.write(value.to_bytes(8, "little"))


def spoil_boot(path: Path) -> None:
    overwrite(path, layout.BOOT, 1)


def spoil_layout(path: Path) -> None:
    overwrite(path, 1, layout.VERSION + 1)


def spoil_magic(path: Path) -> None:
    overwrite(path, 0, 0)


def make_short(path: Path) -> None:
    """Put half of the file in its place: what is mapped must not be cut."""
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    path.write_bytes(half)


def make_garbage(path: Path) -> None:
    path.unlink()
    path.write_bytes(os.urandom(10_000))


def make_empty(path: Path) -> None:
    path.unlink()
    path.touch()


@pytest.mark.parametrize(
    "spoil", [spoil_boot, spoil_layout, spoil_magic, make_short, make_garbage, make_empty]
)
def test_an_unusable_file_is_replaced_by_a_new_one_while_the_old_mapping_lives_on(
    table: ChangeTable, spoil: object, directory: Path, clock: HandClock
) -> None:
    assert callable(spoil)
    spoil(table.path)
    successor = ChangeTable(directory, slot_count=SMALL, clock=clock)
    assert successor.id != table.id
    assert successor.is_current()
    assert not table.is_current()
    assert table.apply(Change((EVENT,)))
    assert successor.changed[successor.index(EVENT)] == 0


def test_a_link_is_not_followed(directory: Path, tmp_path: Path) -> None:
    (directory / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        ChangeTable(directory, slot_count=SMALL)


def test_a_deleted_directory_makes_a_table_no_longer_current(
    table: ChangeTable, directory: Path
) -> None:
    assert table.is_current()
    shutil.rmtree(directory)
    assert not table.is_current()
    assert table.apply(Change((EVENT,)))


def test_a_table_deleted_alone_is_made_again(table: ChangeTable, directory: Path) -> None:
    table.path.unlink()
    assert ChangeTable(directory, slot_count=SMALL).id != table.id
    assert not table.is_current()


def test_a_full_disk_is_an_error_at_birth_that_leaves_nothing_behind(
    directory: Path, workers: Workers
) -> None:
    number, left = workers.start().run(create_on_a_full_disk, directory)
    assert number
    assert left == ["changes.lock"]


def test_a_change_whose_writer_is_killed_on_any_line_is_applied_by_its_heir(
    directory: Path, workers: Workers
) -> None:
    assert workers.start().run(inherit_from_killed_writers, directory) > 10


def test_a_writer_killed_when_it_reads_the_clock_has_not_applied_its_change(
    directory: Path, workers: Workers
) -> None:
    table, change = ChangeTable(directory, slot_count=SMALL), Change((EVENT,))
    with pytest.raises(Died):
        workers.start().run(change_at_last_moment, directory, change)
    assert not table.changed[table.index(EVENT)]
    assert table.apply(change)


def test_a_table_whose_maker_was_killed_on_any_line_is_made_by_the_next(
    directory: Path, workers: Workers
) -> None:
    assert workers.start().run(inherit_from_killed_makers, directory) > 10
