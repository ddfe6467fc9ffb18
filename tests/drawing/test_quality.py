"""Thumbnails beside what no effort was spared for: all of it decoded, in floating point, one filter."""

from __future__ import annotations

import pytest

from nothing_shared.thumbnails.drawing import draw
from nothing_shared.thumbnails.geometry import plan
from nothing_shared.thumbnails.specs import parse
from tests.drawing.photographs import NAMES, mosaic, photograph
from tests.drawing.pictures import encoded
from tests.drawing.similarity import pixels, reference, ssim

SPECS = ("400x300", "160x120 cover", "300x300 cover at20x80", "500x80 exact")


def likeness(source: bytes, size: tuple[int, int], spec: str, drawn_as: str, engine: str) -> float:
    planned = plan(parse(spec), *size)
    drawn = draw(source, parse(f"{spec} {drawn_as}"), engine=engine)
    return ssim(pixels(drawn.data), reference(source, planned.size, planned.box))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_scaling_loses_nothing_that_can_be_seen(name: str) -> None:
    """At least 0.997 on every photograph, also where a JPEG is decoded at a half or a quarter."""
    for image in (photograph(name), mosaic([name], 1800, 1350)):
        source = encoded(image, "JPEG", quality=90)
        for spec in SPECS:
            assert likeness(source, image.size, spec, "png", "pillow") >= 0.997, spec


@pytest.mark.slow
def test_a_zone_plate_has_no_false_rings() -> None:
    """Rings that become finer than a pixel; whoever decodes to the very size gets 0.74."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[-900:900, -1200:1200] / 1200
    rings = 127.5 + 127.5 * np.cos(420 * (x**2 + y**2))
    source = encoded(Image.fromarray(rings.astype(np.uint8)), "JPEG", quality=95)
    assert likeness(source, (2400, 1800), "300x225", "png", "pillow") >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drawn_as", "least"),
    [
        ("jpeg", 0.955), ("webp", 0.973), ("avif", 0.94),
        ("jpeg q95", 0.98), ("webp q93", 0.98), ("avif q90", 0.98),
    ],
)  # fmt: skip
def test_encoding_leaves_photographs_as_they_look(drawn_as: str, least: float) -> None:
    for name in NAMES:
        image = photograph(name)
        source = encoded(image, "PNG")
        assert likeness(source, image.size, "400x300", drawn_as, "pillow") >= least, name


@pytest.mark.slow
@pytest.mark.parametrize("drawn_as", ["png", "jpeg q80"])
def test_no_picture_is_worse_than_that_of_libvips(drawn_as: str) -> None:
    for name in NAMES:
        image = mosaic([name], 1200, 900)
        source = encoded(image, "JPEG", quality=92)
        ours, theirs = (
            likeness(source, image.size, "400x300", drawn_as, engine)
            for engine in ("pillow", "vips")
        )
        assert ours >= theirs - 0.0005, name
