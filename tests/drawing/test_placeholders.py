from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from nothing_shared.thumbnails.drawing import draw, draw_pixels
from nothing_shared.thumbnails.errors import CorruptPicture
from nothing_shared.thumbnails.placeholders import placeholder
from nothing_shared.thumbnails.specs import parse
from nothing_shared.thumbnails.thumbhash import decode, encode
from tests.drawing.photographs import NAMES, photograph
from tests.drawing.pictures import encoded, modes, scene
from tests.drawing.similarity import pixels

REFERENCE = {
    "rgb.png": "61080a2d9a7065878077777688588687609004f778",
    "palette.png": "61080a2d9a7165878077777688588687609004f778",
    "grey.jpg": "21080e058074668780777776885887770000000000",
    "rgba.png": "61088a2c9a0f706580777658060649708f0700000000000000",
}
"""What the implementation by ThumbHash's author, in Rust, makes of these."""


@pytest.mark.parametrize("name", REFERENCE)
def test_a_hash_is_the_one_that_others_make_too(name: str) -> None:
    drawn, width, height = draw_pixels(modes()[name][0], 32)
    assert encode(drawn, width, height).hex() == REFERENCE[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_hash_looks_like_its_picture(name: str) -> None:
    image = photograph(name)
    width, height, blurred = decode(placeholder(encoded(image, "JPEG")).hash)
    assert width / height == pytest.approx(image.width / image.height, rel=0.2)
    shown = Image.frombytes("RGBA", (width, height), blurred).convert("RGB")
    coarse = (pixels(part.resize((3, 3), Image.Resampling.BOX)) for part in (image, shown))
    assert abs(next(coarse) - next(coarse)).mean() < 25


def test_the_blurred_picture_is_a_png_that_can_stand_in_a_page() -> None:
    url = placeholder(encoded(scene(), "PNG")).data_url
    kind, _, data = url.partition(",")
    assert kind == "data:image/png;base64"
    assert len(url) < 4500
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        image.load()
        assert image.size == (32, 23)


def test_the_colour_is_the_mean_of_what_can_be_seen() -> None:
    half = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    half.paste((0, 0, 200, 255), (0, 0, 50, 100))
    assert placeholder(encoded(half, "PNG")).colour in ("#0000c8", "#0000c7")
    assert placeholder(encoded(Image.new("RGB", (9, 9), (1, 2, 3)), "PNG")).colour == "#010203"


def test_a_thumbnail_gives_the_placeholder_of_its_source() -> None:
    source = encoded(photograph("coffee"), "PNG")
    from_source = placeholder(source)
    from_thumbnail = placeholder(draw(source, parse("300x webp")).data)
    for one, other in zip(
        bytes.fromhex(from_source.colour[1:]), bytes.fromhex(from_thumbnail.colour[1:]), strict=True
    ):
        assert abs(one - other) <= 2


def test_what_can_t_be_drawn_has_no_placeholder() -> None:
    with pytest.raises(CorruptPicture):
        placeholder(encoded(scene(), "PNG")[:2000])
