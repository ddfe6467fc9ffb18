from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from nothing_shared.thumbnails.geometry import plan, stored_box
from nothing_shared.thumbnails.specs import parse
from tests.drawing.pictures import ORIENTATIONS

SIDES = st.integers(1, 20_000)


@settings(max_examples=50, deadline=None)
@given(
    SIDES,
    SIDES,
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_a_cover_cuts_a_box_of_its_proportions_out_of_the_picture(
    width: int, height: int, across: int, down: int, x: int, y: int
) -> None:
    found = plan(parse(f"{across}x{down} cover at{x}x{y}"), width, height)
    left, top, right, bottom = found.box
    assert 0 <= left < right <= width + 1e-6
    assert 0 <= top < bottom <= height + 1e-6
    proportions = found.size[0] / found.size[1]
    assert (right - left) / (bottom - top) == pytest.approx(proportions, rel=1e-6)
    assert right - left == pytest.approx(width) or bottom - top == pytest.approx(height)


@settings(max_examples=50, deadline=None)
@given(SIDES, SIDES, st.integers(1, 3000), st.integers(1, 3000))
def test_what_is_contained_or_padded_keeps_its_shape_and_its_pixels(
    width: int, height: int, across: int, down: int
) -> None:
    contained = plan(parse(f"{across}x{down}"), width, height)
    assert contained.size[0] <= min(across, width)
    assert contained.size[1] <= min(down, height)
    scale = min(1.0, across / width, down / height)
    assert abs(contained.size[0] - max(1, width * scale)) <= 0.5
    assert abs(contained.size[1] - max(1, height * scale)) <= 0.5
    padded = plan(parse(f"{across}x{down} pad"), width, height)
    assert padded.size == contained.size
    assert padded.canvas == (across, down)
    assert padded.offset[0] >= 0 <= padded.offset[1]


def test_the_focal_point_is_in_the_middle_unless_the_rim_is_near() -> None:
    assert plan(parse("100x100 cover at30x50"), 1000, 400).box == (100, 0, 500, 400)
    assert plan(parse("100x100 cover at5x50"), 1000, 400).box == (0, 0, 400, 400)
    assert plan(parse("100x100 cover at100x50"), 1000, 400).box == (600, 0, 1000, 400)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_box_is_found_in_the_picture_as_it_is_stored(orientation: int) -> None:
    turn = ORIENTATIONS[orientation]
    upright = Image.new("L", (7, 5))
    upright.putdata(range(35))
    stored = upright if turn is None else upright.transpose(turn)
    for box in ((1, 0, 3, 2), (0, 1, 4, 5), (2, 2, 5, 4)):
        wanted = upright.crop(box)
        wanted = wanted if turn is None else wanted.transpose(turn)
        there = stored_box(tuple(map(float, box)), *stored.size, orientation)
        assert stored.crop(tuple(map(int, there))).tobytes() == wanted.tobytes()
