from __future__ import annotations

import io
import sys

import pillow_heif
import pytest
from PIL import Image

from nothing_shared.thumbnails.drawing import draw
from nothing_shared.thumbnails.errors import CorruptPicture, UnsupportedPicture
from nothing_shared.thumbnails.limits import DEFAULT_LIMITS, Limits
from nothing_shared.thumbnails.probing import Header, examine, probe
from nothing_shared.thumbnails.probing.exif import orientation_of
from nothing_shared.thumbnails.source import Source
from nothing_shared.thumbnails.specs import parse
from tests.drawing.hostile import seeds
from tests.drawing.metadata import extras
from tests.drawing.pictures import ORIENTATIONS, encoded, exif, gif_bomb, modes, scan_bomb, scene
from tests.drawing.similarity import pixels

SOUND = {**seeds(), **{name: data for name, (data, _) in modes().items()}}


def header_of(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Header:
    return probe(Source(data, limits))


def heic(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", SOUND)
def test_a_header_is_read_as_pillow_reads_it(name: str) -> None:
    header = header_of(SOUND[name])
    with Image.open(io.BytesIO(SOUND[name])) as image:
        assert (header.width, header.height) == image.size
        assert header.format == image.format.lower().replace("mpo", "jpeg")
        if name != "mpo.jpg":  # whose other pictures are not frames of an animation
            assert header.frames == getattr(image, "n_frames", 1)


def test_scans_are_counted_where_they_cost_something() -> None:
    assert header_of(SOUND["baseline.jpg"]).scans == 1
    assert header_of(SOUND["progressive.jpg"]).scans == 10
    assert header_of(scan_bomb(64, 64, 77)).scans == 77 + 9
    assert header_of(gif_bomb(16, 7)).frames == 7


def test_memory_is_told_by_what_a_decoder_keeps() -> None:
    assert header_of(SOUND["baseline.jpg"]).working == 0
    assert header_of(encoded(scene(64, 64), "JPEG", progressive=True)).working == 3.0
    full = encoded(scene(64, 64), "JPEG", progressive=True, subsampling=0)
    assert header_of(full).working == 6.0


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientations_are_found_without_believing_the_rest(orientation: int) -> None:
    assert orientation_of(exif(orientation)) == orientation
    assert orientation_of(exif(orientation).removeprefix(b"Exif\0\0")) == orientation


@pytest.mark.parametrize(
    "block", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0" + b"\xff" * 99, None, 7]
)
def test_what_is_no_exif_is_upright(block: object) -> None:
    assert orientation_of(block) == 1


def test_a_format_that_a_site_does_not_allow_is_not_read_on() -> None:
    only = Limits(formats=("png",))
    with pytest.raises(UnsupportedPicture, match="of the format jpeg; allowed: png"):
        header_of(SOUND["baseline.jpg"], only)


def test_heic_is_drawn_upright_and_bare() -> None:
    source = heic(scene(96, 64), exif=exif(6))
    drawn = draw(source, parse("48x48 png"))
    assert extras(drawn.data) == []
    upright = scene(96, 64).transpose(Image.Transpose.ROTATE_270)
    wanted = draw(encoded(upright, "PNG"), parse("48x48 png"))
    assert (drawn.width, drawn.height) == (wanted.width, wanted.height)
    assert abs(pixels(drawn.data) - pixels(wanted.data)).mean() < 4


def test_a_heic_that_is_larger_than_it_says_is_refused() -> None:
    source = heic(scene(640, 480))
    size, lie = ((w.to_bytes(4, "big") + h.to_bytes(4, "big")) for w, h in ((640, 480), (64, 48)))
    assert source.count(size) == 1
    with pytest.raises(
        CorruptPicture, match="says that it is 64 x 48 pixels large, and has 640 x 480"
    ):
        examine(Source(source.replace(size, lie), DEFAULT_LIMITS))


def test_without_its_library_a_heic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedPicture, match=r"pip install 'nothing-shared\[heic\]'"):
        draw(heic(scene(64, 64)), parse("48x"))
