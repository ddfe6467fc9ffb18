"""What every engine owes: the contract of ``engines/base.py``."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image, ImageFile

from nothing_shared.thumbnails.drawing import draw, draw_pixels, upright_size_of
from nothing_shared.thumbnails.errors import (
    CorruptPicture,
    DrawingTooSlow,
    PictureTooLarge,
    UnsupportedPicture,
)
from nothing_shared.thumbnails.limits import Limits
from nothing_shared.thumbnails.specs import parse
from tests.drawing.metadata import extras
from tests.drawing.pictures import GPS, ORIENTATIONS, encoded, exif, modes, profile, scene
from tests.drawing.similarity import pixels, reference, ssim

ENGINES = ["pillow", "vips"]
SOURCES = modes()


def shown(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def difference(one: bytes, other: bytes) -> float:
    return float(np.abs(pixels(one) - pixels(other)).mean())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SOURCES)
def test_every_mode_of_a_source_gives_the_same_picture(name: str, engine: str) -> None:
    data, mode = SOURCES[name]
    compared = scene().convert(mode)
    if name.startswith(("palette", "1.")):
        compared = shown(data).convert("RGB")
    drawn = draw(data, parse("160x120 png"), engine=engine)
    assert (drawn.width, drawn.height) == shown(drawn.data).size == (160, 120)
    seen = np.asarray(shown(drawn.data).convert("RGBA"))[..., 3] > 250
    off = np.abs(pixels(drawn.data) - reference(compared.convert("RGB"), (160, 120), None))
    # Dots of black and white are averaged before they are filtered, or after.
    assert off[seen].mean() < (7 if name.startswith("1.") else 1.5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_thumbnails_are_upright(orientation: int, format: str, engine: str) -> None:
    """Eight orientations in four containers, each with three crops."""
    upright, turn = scene(96, 64), ORIENTATIONS[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    options = {} if format == "PNG" else {"quality": 95}
    source = encoded(stored, format, exif=exif(orientation), **options)
    assert upright_size_of(source, engine=engine) == (96, 64)
    for crop in ("32x48 cover at20x50 png", "48x16 cover at50x90 png", "48x png"):
        drawn = draw(source, parse(crop), engine=engine)
        wanted = draw(encoded(upright, "PNG"), parse(crop))
        assert (drawn.width, drawn.height) == (wanted.width, wanted.height)
        assert difference(drawn.data, wanted.data) < 4


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "gif"])
def test_nothing_but_pixels_leaves(format: str, engine: str) -> None:
    secret = {"exif": exif(6), "icc_profile": profile()}
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><secret/></x:xmpmeta>"
    sources = [
        encoded(scene(96, 64), "JPEG", comment=GPS, xmp=xmp, dpi=(300, 300), **secret),
        encoded(scene(96, 64), "PNG", dpi=(300, 300), **secret),
        encoded(scene(96, 64), "WEBP", xmp=xmp, **secret),
        encoded(scene(96, 64), "AVIF", xmp=xmp, speed=10, **secret),
        encoded(scene(96, 64).quantize(16), "GIF", comment=GPS),
        SOURCES["mpo.jpg"][0],
        SOURCES["rgba.png"][0],
    ]
    for source in sources:
        drawn = draw(source, parse(f"48x48 {format}"), engine=engine)
        assert drawn.content_type == f"image/{format}"
        assert extras(drawn.data) == []
        assert GPS not in drawn.data
        assert not set(shown(drawn.data).info) & {"exif", "xmp", "icc_profile", "comment"}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_transparency_hides_stays_hidden(engine: str) -> None:
    secret = Image.new("RGBA", (400, 400), (255, 0, 0, 0))
    secret.paste((0, 0, 255, 255), (0, 0, 200, 400))
    source = encoded(secret, "PNG")
    for spec in ("40x40 jpeg", "40x40 jpeg bg00ff00", "40x40 png", "40x40 webp", "40x40 gif"):
        drawn = shown(draw(source, parse(spec), engine=engine).data).convert("RGBA")
        seen = np.asarray(drawn).astype(int)
        red = (seen[..., 0] - seen[..., 1:3].max(axis=-1)) * (seen[..., 3] > 0)
        assert red.max() < 40, spec
    flat = pixels(draw(source, parse("40x40 jpeg bg00ff00"), engine=engine).data)
    assert flat[20, 35].tolist() == pytest.approx([0, 255, 0], abs=6)


@pytest.mark.parametrize("engine", ENGINES)
def test_auto_is_a_jpeg_or_a_webp_where_it_must_be(engine: str) -> None:
    opaque, through = SOURCES["rgb.png"][0], SOURCES["rgba.png"][0]
    kinds = {
        (opaque, "50x"): "image/jpeg",
        (through, "50x"): "image/webp",
        (through, "50x bgffffff"): "image/jpeg",
        (through, "50x50 pad"): "image/jpeg",
        (opaque, "50x50 pad png"): "image/png",
    }
    for (source, spec), kind in kinds.items():
        assert draw(source, parse(spec), engine=engine).content_type == kind


@pytest.mark.parametrize("engine", ENGINES)
def test_padding_is_of_the_colour_asked_for_or_transparent(engine: str) -> None:
    source = SOURCES["rgb.png"][0]
    white = pixels(draw(source, parse("100x100 pad jpeg"), engine=engine).data)
    assert white[2, 50].tolist() == pytest.approx([255, 255, 255], abs=3)
    green = pixels(draw(source, parse("100x100 pad bg00ff00 png"), engine=engine).data)
    assert green[2, 50].tolist() == [0, 255, 0]
    through = shown(draw(source, parse("100x100 pad png"), engine=engine).data)
    assert np.asarray(through)[2, 50, 3] == 0
    assert np.asarray(through)[50, 50, 3] == 255


@pytest.mark.parametrize(
    ("source", "engine"),
    # libvips reads the first frame of a PNG, and writes no other.
    [("GIF", "pillow"), ("WEBP", "pillow"), ("PNG", "pillow"), ("GIF", "vips"), ("WEBP", "vips")],
)
def test_an_animation_is_kept_or_its_first_frame_is(source: str, engine: str) -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    frames = [Image.new("RGB", (120, 80), colour) for colour in colours]
    options = {"lossless": True} if source == "WEBP" else {}
    data = encoded(
        frames[0], source, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0,
        **options,
    )  # fmt: skip
    still = shown(draw(data, parse("60x40"), engine=engine).data)
    assert getattr(still, "n_frames", 1) == 1
    assert pixels(still)[20, 30].tolist() == pytest.approx(colours[0], abs=8)
    for format in ("webp", "gif", "png", "auto"):
        if (format, engine) == ("png", "vips"):
            continue
        moving = shown(draw(data, parse(f"60x40 animated {format}"), engine=engine).data)
        assert moving.n_frames == 3
        for number, colour in enumerate(colours):
            moving.seek(number)
            moving.load()
            assert moving.info["duration"] == 100 * (number + 1)
            assert pixels(moving)[20, 30].tolist() == pytest.approx(colour, abs=8)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_smart_crop_finds_what_stands_out(engine: str) -> None:
    canvas = Image.new("RGB", (900, 300), (120, 120, 120))
    canvas.paste(scene(200, 200), (650, 50))
    drawn = draw(encoded(canvas, "PNG"), parse("100x100 cover smart png"), engine=engine)
    assert pixels(drawn.data).std() > 40
    centre = draw(encoded(canvas, "PNG"), parse("100x100 cover png"), engine=engine)
    assert pixels(centre.data).std() < 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_the_engines_agree(name: str) -> None:
    image = scene(1600, 1200)
    source = encoded(image, "JPEG", quality=92) if name == "photo.jpg" else encoded(image, "PNG")
    for spec in ("400x300", "300x300 cover", "200x400 cover at10x10", "300x300 pad", "90x50 exact"):
        ours, theirs = (
            pixels(draw(source, parse(f"{spec} png"), engine=engine).data) for engine in ENGINES
        )
        assert ssim(ours, theirs) >= 0.98


def test_a_source_may_be_bytes_a_file_or_a_stream() -> None:
    class Stream(io.RawIOBase):
        """What can't seek, as a response of an object store."""

        def __init__(self) -> None:
            self.rest = io.BytesIO(source)

        def readable(self) -> bool:
            return True

        def read(self, size: int | None = -1, /) -> bytes:
            return self.rest.read(size)

    source, spec = SOURCES["rgb.png"][0], parse("50x")
    wanted = draw(source, spec)
    file = io.BytesIO(source)
    file.seek(99)
    assert draw(file, spec) == wanted
    assert not file.closed
    assert draw(Stream(), spec) == wanted  # type: ignore[arg-type]
    with pytest.raises(PictureTooLarge, match="bytes; allowed: at most 1000"):
        draw(Stream(), spec, Limits(bytes=1000))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "spec", "said"),
    [
        (Limits(bytes=1000), "50x", "bytes; allowed: at most 1000"),
        (Limits(pixels=1000), "50x", "640 x 480 pixels; allowed: 1000 together"),
        (Limits(side=500), "50x", "640 x 480 pixels; allowed: 500 a side"),
        (Limits(memory=100_000), "50x", "takes about 1 MB to decode"),
        (Limits(output_pixels=100), "50x", "more than is drawn here"),
    ],
)
def test_what_is_beyond_a_limit_is_refused(limits: Limits, spec: str, said: str) -> None:
    with pytest.raises(PictureTooLarge, match=said) as caught:
        draw(SOURCES["rgb.png"][0], parse(spec), limits)
    assert caught.value.status == 422
    assert not caught.value.may_retry


def test_a_drawing_ends_when_its_seconds_do() -> None:
    """The clock goes on by a second whenever it is looked at."""
    ticks = iter(range(10_000))
    source = SOURCES["progressive.jpg"][0]
    with pytest.raises(DrawingTooSlow) as caught:
        draw(source, parse("50x"), Limits(seconds=3), clock=lambda: float(next(ticks)))
    assert (caught.value.status, caught.value.may_retry) == (503, True)
    draw(source, parse("50x"), Limits(seconds=9_000), clock=lambda: float(next(ticks)))


def test_an_svg_is_refused_or_passed_by_if_it_is_nothing_but_shapes() -> None:
    shapes = (
        b'<?xml version="1.0"?><!-- shapes --><svg xmlns="http://www.w3.org/2000/svg"><rect id="a"'
        b' fill="url(#g)" width="9" height="9"/><use href="#a"/></svg>'
    )
    with pytest.raises(UnsupportedPicture) as caught:
        draw(shapes, parse("50x"))
    assert caught.value.status == 415
    passing = Limits(svg="pass")
    drawn = draw(shapes, parse("50x"), passing)
    assert (drawn.data, drawn.content_type) == (shapes, "image/svg+xml")
    for active in (
        b"<script>alert(1)</script>",
        b"<svg:script/>",
        b'<rect onload="alert(1)"/>',
        b"<rect/onclick=alert(1) />",
        b'<a href="javascript:alert(1)"/>',
        b'<a href="&#106;avascript:alert(1)"/>',
        b'<image href="https://example.com/spy.png"/>',
        b'<image xlink:href="//example.com/spy.png"/>',
        b'<use href="data:image/svg+xml;base64,AAAA"/>',
        b"<style>@import 'https://example.com/x.css';</style>",
        b"<style>* { background: url(https://example.com/x) }</style>",
        b"<foreignObject><iframe/></foreignObject>",
        b'<set attributeName="onload" to="alert(1)"/>',
    ):
        with pytest.raises(UnsupportedPicture):
            draw(shapes.replace(b"</svg>", active + b"</svg>"), parse("50x"), passing)
    for entity in (b'<!DOCTYPE svg [<!ENTITY x "y">]>', b"<?xml-stylesheet href='x.css'?>"):
        with pytest.raises(UnsupportedPicture):
            draw(entity + shapes[21:], parse("50x"), passing)
    with pytest.raises(UnsupportedPicture):
        draw(shapes.decode().encode("utf-16"), parse("50x"), passing)


def test_a_profile_that_can_t_be_used_counts_as_none() -> None:
    plain = draw(encoded(scene(96, 64), "PNG"), parse("48x png"))
    for broken in (b"x", b"\0" * 200, profile()[:300], b"x" * 5_000_000):
        source = encoded(scene(96, 64), "WEBP", lossless=True, icc_profile=broken)
        assert difference(draw(source, parse("48x png")).data, plain.data) < 1


def test_no_setting_of_pillow_is_touched_by_drawing_in_many_threads() -> None:
    def state() -> tuple[object, ...]:
        return (
            ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK, Image.MAX_IMAGE_PIXELS,
            dict(Image.OPEN), dict(Image.SAVE), list(Image.ID), Image._initialized,
        )  # fmt: skip

    Image.init()
    before, failures = state(), []
    names = [*SOURCES, "truncated"]

    def work(first: int) -> None:
        for number in range(first, first + len(names)):
            name = names[number % len(names)]
            data = SOURCES["rgb.webp"][0][:-500] if name == "truncated" else SOURCES[name][0]
            try:
                draw(data, parse("64x48 cover smart"))
            except CorruptPicture:
                assert name == "truncated"
            if state() != before:
                failures.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_equal_sources_and_specs_give_equal_bytes() -> None:
    for name in ("rgb.png", "rgba.png", "progressive.jpg"):
        for format in ("jpeg", "webp", "avif", "png"):
            spec = parse(f"64x48 cover {format}")
            assert draw(SOURCES[name][0], spec) == draw(SOURCES[name][0], spec)


def test_pixels_are_plain() -> None:
    data, width, height = draw_pixels(encoded(Image.new("RGB", (64, 32), (9, 8, 7)), "PNG"), 16)
    assert (width, height) == (16, 8)
    assert data == bytes((9, 8, 7, 255)) * 128
