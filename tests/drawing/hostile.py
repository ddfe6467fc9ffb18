"""Files that mean harm, or are broken: by name, with what has to become of each."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache

from PIL import Image

from tests.drawing.pictures import chunk, encoded, exif, gif_bomb, png, scan_bomb, scene

__all__ = ["NAMED", "Outcome", "bombs", "lies", "mutations", "named", "seeds", "truncations"]

Outcome = str
"""``drawn``, or the class of the error; several are joined by ``|``."""

ANY_REFUSAL = "CorruptPicture|PictureTooLarge|UnsupportedPicture"
WHATEVER = f"drawn|{ANY_REFUSAL}"


def zeros(rows: int, width: int) -> bytes:
    """Compress rows of zeros a row at a time."""
    packer = zlib.compressobj(9)
    row = bytes(width)
    return b"".join([*(packer.compress(row) for _ in range(rows)), packer.flush()])


def flat_png(width: int, height: int, *, depth: int, kind: int, samples: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = zeros(height, 1 + (width * samples * depth + 7) // 8)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def header_only(width: int, height: int) -> bytes:
    return png(width, height, b"")


NAMED: dict[str, tuple[Callable[[], bytes], Outcome]] = {
    "60000x8.png": (lambda: flat_png(60000, 8, depth=8, kind=2, samples=3), "PictureTooLarge"),
    "8x30000.png": (lambda: flat_png(8, 30000, depth=8, kind=2, samples=3), "drawn"),
    "510-scans.jpg": (lambda: scan_bomb(6000, 6000, 500), "PictureTooLarge"),
    "61-frames.gif": (lambda: gif_bomb(3072, 61), "PictureTooLarge"),
    "1500-frames.gif": (lambda: gif_bomb(200, 1500), "PictureTooLarge"),
    "81-megapixels.jpg": (
        lambda: encoded(Image.new("L", (9000, 9000)), "JPEG", quality=10),
        "PictureTooLarge",
    ),
    "400-megapixels.png": (lambda: header_only(20000, 20000), "PictureTooLarge"),
    "15-gigapixels.png": (lambda: header_only(2**31 - 1, 7), "PictureTooLarge"),
    "65535-a-side.png": (lambda: header_only(65535, 65535), "PictureTooLarge"),
    "eps.jpg": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n",
        "UnsupportedPicture",
    ),
    "svg.jpg": (
        lambda: b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        "UnsupportedPicture",
    ),
    "tiff.jpg": (lambda: encoded(scene(64, 48), "TIFF"), "UnsupportedPicture"),
    "bmp.png": (lambda: encoded(scene(64, 48), "BMP"), "UnsupportedPicture"),
    "psd.jpg": (lambda: b"8BPS\0\1" + bytes(200), "UnsupportedPicture"),
    "jpeg2000.jpg": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "UnsupportedPicture"),
    "text.jpg": (lambda: b"This is not a picture at all.\n" * 99, "UnsupportedPicture"),
    "empty.jpg": (lambda: b"", "UnsupportedPicture"),
    "one-byte.jpg": (lambda: b"\xff", "UnsupportedPicture"),
    "1x1.png": (lambda: encoded(Image.new("RGB", (1, 1)), "PNG"), "drawn"),
}
"""Those that cost other thumbnailers seconds and gigabytes, and a few of the tricks with names."""


@lru_cache(maxsize=1)
def named() -> tuple[tuple[str, bytes, Outcome], ...]:
    return tuple((name, make(), outcome) for name, (make, outcome) in NAMED.items())


def bombs() -> Iterator[tuple[str, bytes, Outcome]]:
    """The ones that take seconds to make."""
    yield (
        "169-megapixels.png",
        flat_png(13000, 13000, depth=8, kind=6, samples=4),
        "PictureTooLarge",
    )
    yield "88-megapixels.png", flat_png(11000, 8000, depth=8, kind=2, samples=3), "PictureTooLarge"
    progressive = encoded(Image.new("RGB", (9000, 9000)), "JPEG", progressive=True, quality=10)
    yield "81-megapixels-progressive.jpg", progressive, "PictureTooLarge"
    yield (
        "50-megapixels.webp",
        encoded(Image.new("RGB", (7000, 7000)), "WEBP", quality=1),
        "PictureTooLarge",
    )
    text = b"\0\0" + zlib.compress(bytes(900_000), 9)
    texts = b"".join(chunk(b"zTXt", b"k%d" % number + text) for number in range(60))
    yield "60-compressed-texts.png", png(64, 48, bytes(48 * 193), before=texts), "drawn"
    yield "icc-bomb.png", png(
        64, 48, bytes(48 * 193),
        before=chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200_000_000), 9)),
    ), "CorruptPicture"  # fmt: skip
    yield "scans-within-the-limit.jpg", scan_bomb(600, 600, 80), "drawn"
    yield "comments.jpg", many_segments(5_000), "PictureTooLarge"
    yield "deep-animation.webp", moving("WEBP", 1200), "PictureTooLarge"
    yield "deep-animation.png", moving("PNG", 1200), "PictureTooLarge"


def many_segments(count: int) -> bytes:
    data = encoded(scene(64, 48), "JPEG")
    return data[:2] + b"\xff\xfe\x00\x02" * count + data[2:]


def moving(format: str, frames: int) -> bytes:
    """An animation of so many frames, each unlike the one before."""
    images = [
        Image.new("RGB", (8, 8), (number % 256, number // 256, 99)) for number in range(frames)
    ]
    return encoded(
        images[0], format, save_all=True, append_images=images[1:], duration=20, lossless=True
    )


def seeds() -> dict[str, bytes]:
    """A small sound picture of each format, with all that may be in one."""
    image = scene(96, 64)
    see_through = image.copy()
    see_through.putalpha(image.convert("L"))
    frames = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image]
    icc = {"icc_profile": b"x" * 100, "exif": exif(6)}
    return {
        "baseline.jpg": encoded(image, "JPEG", comment=b"hello", **icc),
        "progressive.jpg": encoded(image, "JPEG", progressive=True, exif=exif(3)),
        "rgba.png": encoded(see_through, "PNG", exif=exif(8)),
        "palette.png": encoded(image.quantize(16), "PNG", transparency=3),
        "apng.png": encoded(image, "PNG", save_all=True, append_images=frames, duration=50),
        "moving.gif": encoded(image, "GIF", save_all=True, append_images=frames, duration=50),
        "lossy.webp": encoded(image, "WEBP", exif=exif(5)),
        "moving.webp": encoded(image, "WEBP", save_all=True, append_images=frames, lossless=True),
        "picture.avif": encoded(image, "AVIF", speed=10, exif=exif(7)),
    }


def truncations(*names: str) -> Iterator[tuple[str, bytes, Outcome]]:
    """The seeds of these names, or all, cut off at every percent."""
    for name, data in seeds().items():
        for percent in range(100) if not names or name in names else ():
            yield f"{percent}%-of-{name}", data[: len(data) * percent // 100], WHATEVER


def lies() -> Iterator[tuple[str, bytes, Outcome]]:
    """Headers that say something else than what follows."""
    sound = seeds()
    jpeg, still = sound["baseline.jpg"], encoded(scene(96, 64), "PNG")
    frame = jpeg.index(b"\xff\xc0") + 5
    size = struct.pack(">II", 96, 64)
    for side in (0, 1, 65535):
        sides = struct.pack(">HH", side, side)
        yield f"jpeg-of-{side}.jpg", jpeg[:frame] + sides + jpeg[frame + 4 :], WHATEVER
    for width, height in ((0, 64), (96, 6400), (9600, 64), (7000, 7000), (2**31 - 1, 1)):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        yield f"png-of-{width}x{height}.png", still[:8] + header + still[33:], WHATEVER
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 5000, 8, 2, 0, 0, 0))
    yield "png-with-a-second-header.png", still[:33] + second + still[33:], ANY_REFUSAL
    yield (
        "gif-of-65535.gif",
        b"GIF89a\xff\xff\xff\xff" + sound["moving.gif"][10:],
        "PictureTooLarge",
    )
    frame = sound["moving.gif"].index(b"\x2c\0\0\0\0") + 5
    wide = sound["moving.gif"][:frame] + b"\xff\xff\xff\xff" + sound["moving.gif"][frame + 4 :]
    yield "gif-with-a-frame-of-65535.gif", wide, "PictureTooLarge"
    webp = sound["moving.webp"]
    canvas = webp.index(b"VP8X") + 12
    yield (
        "webp-of-16384.webp",
        webp[:canvas] + b"\xff\x3f\0" * 2 + webp[canvas + 6 :],
        "PictureTooLarge",
    )
    yield "webp-of-1.webp", webp[:canvas] + bytes(6) + webp[canvas + 6 :], ANY_REFUSAL
    avif = encoded(Image.new("RGB", (4000, 3000)), "AVIF", speed=10)
    yield (
        "avif-larger-than-it-says.avif",
        avif.replace(struct.pack(">II", 4000, 3000), size),
        "CorruptPicture",
    )
    huge = struct.pack(">II", 65535, 65535)
    yield "avif-of-65535.avif", sound["picture.avif"].replace(size, huge), "PictureTooLarge"
    yield (
        "jpeg-with-an-exif-of-nothing.jpg",
        encoded(scene(96, 64), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        "drawn",
    )


def mutations(count: int, seed: int) -> Iterator[tuple[str, bytes, Outcome]]:
    """Seeds with bytes changed, cut out, doubled or moved."""
    chance = random.Random(seed)
    sound = sorted(seeds().items())
    for number in range(count):
        name, data = sound[number % len(sound)]
        mutated = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            _mutate(mutated, chance)
        yield f"{number}-of-{seed}-{name}", bytes(mutated), WHATEVER


def _mutate(data: bytearray, chance: random.Random) -> None:
    # Headers are small, and what is in them does the most harm.
    most = len(data) if chance.random() < 0.5 else min(len(data), 200)
    at = chance.randrange(max(1, most))
    length = chance.choice((1, 1, 2, 4, 8, 64))
    act = chance.randrange(5)
    if act == 0:
        data[at : at + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))])
    elif act == 1:
        data[at : at + 1] = bytes([chance.randrange(256)])
    elif act == 2:
        del data[at : at + length]
    elif act == 3:
        data[at:at] = data[at : at + length]
    else:
        data[at : at + length] = chance.randbytes(length)
