"""Hostile files, each in a process of its own. All of it, and as many mutations as one likes:
``python -m tests.drawing --count 100000``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from nothing_shared.thumbnails.drawing import Drawn, draw
from nothing_shared.thumbnails.errors import ThumbnailError
from nothing_shared.thumbnails.specs import parse
from tests.drawing.child import fates
from tests.drawing.hostile import bombs, lies, mutations, named, seeds, truncations

MIB = 2**20


def check(files: Iterable[tuple[str, bytes, str]], *, growth: int, seconds: float) -> int:
    count = 0
    for name, allowed, fate in fates(files):
        count += 1
        assert fate.outcome in allowed.split("|"), (name, fate)
        assert fate.growth <= growth, (name, fate)
        assert fate.seconds <= seconds, (name, fate)
        assert fate.status in (200, 415, 422), (name, fate)
    return count


def test_the_named_files_are_refused_or_drawn_at_once_and_in_8_megabytes() -> None:
    """They cost others up to 62 seconds and 5.2 GB. The most that was seen is 20 ms."""
    assert check(named(), growth=8 * MIB, seconds=0.25) == 19


@pytest.mark.slow
def test_bombs_do_not_go_off() -> None:
    assert check(bombs(), growth=64 * MIB, seconds=2.0) == 10


def test_headers_that_lie_are_not_believed() -> None:
    assert check(lies(), growth=8 * MIB, seconds=0.5) == 16


@pytest.mark.slow
def test_mutated_files_do_no_harm() -> None:
    assert check(mutations(300, seed=20261127), growth=64 * MIB, seconds=2.0) == 300


@pytest.mark.slow
def test_libvips_comes_to_no_harm_either() -> None:
    """It may draw what Pillow refuses, and the other way round; it may not crash, hang or grow."""
    files = itertools.chain(named(), bombs(), lies(), mutations(200, seed=20261127))
    for name, _, fate in fates(files, engine="vips"):
        assert fate.status in (200, 415, 422), (name, fate)
        assert fate.growth <= 64 * MIB, (name, fate)
        assert fate.seconds <= 2.0, (name, fate)


@pytest.mark.parametrize("name", seeds())
def test_a_truncated_picture_is_refused_unless_all_of_its_pixels_are_there(name: str) -> None:
    """Cut off at every one percent."""
    wanted = drawn_or_status(seeds()[name])
    drawn = 0
    for cut_name, data, _ in truncations(name):
        thumbnail = drawn_or_status(data)
        if isinstance(thumbnail, int):
            assert thumbnail in (415, 422), cut_name
        else:
            drawn += 1
            assert thumbnail == wanted, cut_name
    # Of an animated PNG or GIF the first frame is drawn, and the others are not missed.
    assert drawn < (70 if name == "apng.png" else 10)


def drawn_or_status(data: bytes) -> Drawn | int:
    try:
        return draw(data, parse("48x48"))
    except ThumbnailError as error:
        return error.status
