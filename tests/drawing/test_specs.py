from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from nothing_shared.thumbnails.specs import FITS, FORMATS, BadSpec, Spec, parse

SIDE = st.none() | st.integers(1, 10_000)
POINT = st.tuples(*[st.integers(0, 10_000).map(lambda number: number / 100)] * 2)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    parts: dict[str, Any] = {
        "width": draw(SIDE),
        "height": draw(SIDE),
        "fit": draw(st.sampled_from(FITS)),
        "format": draw(st.sampled_from(FORMATS)),
        "quality": draw(st.none() | st.integers(1, 100)),
        "dpr": draw(st.sampled_from([0.5, 1.0, 1.25, 2.0, 4.0])),
        "background": draw(st.none() | st.from_regex("[0-9a-f]{6}", fullmatch=True)),
        "may_enlarge": draw(st.booleans()),
    }
    if parts["width"] is None or parts["height"] is None:
        parts["fit"] = "contain"
        parts["width"] = parts["width"] or (None if parts["height"] else 1)
    if parts["fit"] == "cover":
        parts["is_smart"] = draw(st.booleans())
        parts["focus"] = None if parts["is_smart"] else draw(st.none() | POINT)
    if parts["format"] not in ("jpeg", "avif"):
        parts["is_animated"] = draw(st.booleans())
    return Spec(**parts)


@settings(max_examples=50, deadline=None)
@given(specs())
def test_the_canonical_text_says_all_of_a_spec_and_needs_no_quoting(spec: Spec) -> None:
    assert parse(spec.text) == spec
    assert parse(spec.text).text == spec.text
    assert re.fullmatch(r"[A-Za-z0-9.-]+", spec.text)


@settings(max_examples=50, deadline=None)
@given(specs(), st.randoms())
def test_the_order_of_the_words_makes_no_difference(spec: Spec, chance: Any) -> None:
    words = spec.text.split("-")
    chance.shuffle(words)
    assert parse(" ".join(words)) == spec
    assert parse(" ".join(words)).text == spec.text


@settings(max_examples=50, deadline=None)
@given(specs(), st.integers(1, 10_000), st.integers(1, 10_000))
def test_no_thumbnail_is_larger_than_asked_for(spec: Spec, width: int, height: int) -> None:
    across, down = spec.output_size(width, height)
    assert across >= 1 <= down
    if spec.width:
        assert across <= max(1, round(spec.width * spec.dpr))
    if spec.height:
        assert down <= max(1, round(spec.height * spec.dpr))
    if not spec.may_enlarge and spec.fit in ("contain", "cover"):
        assert across <= width and down <= height


@pytest.mark.parametrize(
    ("text", "size", "display"),
    [
        ("300x200", (267, 200), (267, 200)),
        ("300x", (300, 225), (300, 225)),
        ("x200", (267, 200), (267, 200)),
        ("300x200 cover", (300, 200), (300, 200)),
        ("300x200 cover dpr2", (600, 400), (300, 200)),
        ("300x200 pad", (300, 200), (300, 200)),
        ("300x200 exact", (300, 200), (300, 200)),
        ("8000x", (4000, 3000), (4000, 3000)),
        ("8000x enlarge", (8000, 6000), (8000, 6000)),
        ("8000x4000 cover", (4000, 2000), (4000, 2000)),
        ("8000x4000 cover enlarge", (8000, 4000), (8000, 4000)),
    ],
)
def test_the_size_of_a_thumbnail_is_known_before_it_is_drawn(
    text: str, size: tuple[int, int], display: tuple[int, int]
) -> None:
    assert parse(text).output_size(4000, 3000) == size
    assert parse(text).display_size(4000, 3000) == display


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no size; allowed: 300x200"),
        ("cover", "no size; allowed: 300x200"),
        ("x", "no size; allowed: 300x200"),
        ("300x200x100", "'300x200x100' is no word"),
        ("300x200 covr", "Did you mean 'cover'?"),
        ("300x200 jpeeg", "Did you mean 'jpeg'?"),
        ("0x200", "allowed: 1 to 10000"),
        ("10001x", "allowed: 1 to 10000"),
        ("300x cover", "needs a width and a height"),
        ("300x200 smart", "with 'cover' only"),
        ("300x200 cover smart at3x4", "one of the two"),
        ("300x200 cover at101x4", "at0x0 to at100x100"),
        ("300x200 q0", "q1 to q100"),
        ("300x200 q101", "q1 to q100"),
        ("300x200 dpr9", "dpr0.5 to dpr4"),
        ("300x200 dpr0", "dpr0.5 to dpr4"),
        ("300x200 bgwhite", "Allowed: a size"),
        ("300x200 jpeg animated", "allowed for 'animated'"),
        ("300x200 cover pad", "gives its fit twice"),
        ("300x200 400x", "twice"),
        ("３00x200", "is no word"),
        ("300x200 tiff", "auto, avif, webp, jpeg, png, gif"),
    ],
)
def test_a_bad_spec_says_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(BadSpec, match=re.escape(said)):
        parse(text)


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="0123456789x-. abcdefgijpqrtvw#", max_size=30))
def test_any_text_is_a_spec_or_a_bad_spec(text: str) -> None:
    try:
        spec = parse(text)
    except BadSpec:
        return
    assert parse(spec.text) == spec


def test_what_is_no_text_is_a_bad_spec() -> None:
    with pytest.raises(BadSpec, match="not 300"):
        parse(300)  # type: ignore[arg-type]


def test_a_name_stands_first_and_what_follows_replaces_its_parts() -> None:
    named = {"card": "600x400 cover q70"}
    assert parse("card", named) == parse("600x400 cover q70")
    assert parse("card webp q80", named) == parse("600x400 cover webp q80")
    assert parse("card 300x200", named).text == "300x200-cover-q70"
    with pytest.raises(BadSpec, match="a name of card first"):
        parse("crad", named)
    with pytest.raises(BadSpec, match="Did you mean 'card'"):
        parse("crad", named)


def test_specs_are_values() -> None:
    spec = parse("300x200 #FFF jpg")
    assert spec.text == "300x200-jpeg-bgffffff"
    assert {spec: 1}[parse("300x200-jpeg-bgfff")] == 1
    assert spec.with_(dpr=2.0).text == "300x200-jpeg-dpr2-bgffffff"
    with pytest.raises(FrozenInstanceError):
        spec.width = 3  # type: ignore[misc]
