"""Who draws thumbnails, each in a process of its own: ``python -m tests.benchmarks.thumbnailers NAME``.

A line on stdin is a file to draw at 400 x 300, filled, as JPEG of quality 80; the answer is a line of JSON.
Nobody has a database, a cache or a template to mind: only the drawing itself is compared.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["HEIGHT", "PYTHON", "QUALITY", "SHARP", "WIDTH"]

Draw = Callable[[str], bytes]

WIDTH, HEIGHT, QUALITY = 400, 300, 80

SHARP = """
const fs = require('fs'), sharp = require('sharp');
const [width, height, quality] = process.argv.slice(1).map(Number);
sharp.cache(false); sharp.concurrency(1);
const status = name => parseInt(
  fs.readFileSync('/proc/self/status', 'latin1').match(new RegExp(name + ':\\\\s+(\\\\d+)'))[1]) * 1024;
require('readline').createInterface({input: process.stdin}).on('line', async path => {
  fs.writeFileSync('/proc/self/clear_refs', '5');
  const before = status('VmRSS'), begun = process.cpuUsage();
  const data = await sharp(path).resize(width, height, {fit: 'cover'}).jpeg({quality}).toBuffer();
  const used = process.cpuUsage(begun);
  console.log(JSON.stringify({
    seconds: (used.user + used.system) / 1e6, growth: status('VmHWM') - before,
    data: data.toString('base64'),
  }));
});
"""
"""A program for ``node -e``; its arguments are width, height and quality."""


def ours(engine: str) -> Draw:
    from nothing_shared.thumbnails.drawing import draw
    from nothing_shared.thumbnails.specs import parse

    spec = parse(f"{WIDTH}x{HEIGHT} cover jpeg q{QUALITY}")

    def drawn(path: str) -> bytes:
        with open(path, "rb") as file:
            return draw(file, spec, engine=engine).data

    return drawn


def plain_pillow() -> Draw:
    """What one writes without thinking of it."""
    from PIL import Image, ImageOps

    def drawn(path: str) -> bytes:
        with Image.open(path) as image:
            small = ImageOps.fit(image, (WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue()

    return drawn


def libvips() -> Draw:
    import pyvips

    pyvips.cache_set_max(0)

    def drawn(path: str) -> bytes:
        image = pyvips.Image.thumbnail(path, WIDTH, height=HEIGHT, crop="centre")
        return bytes(image.jpegsave_buffer(Q=QUALITY, keep="none", optimize_coding=True))

    return drawn


def configure(app: str) -> None:
    from django import setup
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=[app],
        MEDIA_ROOT="/",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    setup()


def sorl() -> Draw:
    configure("sorl.thumbnail")
    from sorl.thumbnail.base import ThumbnailBackend
    from sorl.thumbnail.engines.pil_engine import Engine
    from sorl.thumbnail.images import ImageFile
    from sorl.thumbnail.parsers import parse_geometry

    engine = Engine()
    options: dict[str, Any] = {
        **ThumbnailBackend.default_options, "crop": "center", "quality": QUALITY, "format": "JPEG",
    }  # fmt: skip

    def drawn(path: str) -> bytes:
        image = engine.get_image(ImageFile(path))
        geometry = parse_geometry(f"{WIDTH}x{HEIGHT}", engine.get_image_ratio(image, options))
        info = engine.get_image_info(image)
        small = engine.create(image, geometry, options)
        data = engine._get_raw_data(small, "JPEG", QUALITY, info, True)
        return bytes(data)

    return drawn


def easy() -> Draw:
    configure("easy_thumbnails")
    from easy_thumbnails.files import Thumbnailer

    options = {"size": (WIDTH, HEIGHT), "crop": True, "quality": QUALITY}

    def drawn(path: str) -> bytes:
        with open(path, "rb") as file:
            thumbnail = Thumbnailer(file=file, name=path).generate_thumbnail(options)
            return bytes(thumbnail.file.read())

    return drawn


PYTHON: dict[str, Callable[[], Draw]] = {
    "nothing_shared": lambda: ours("pillow"),
    "nothing_shared, vips": lambda: ours("vips"),
    "sorl-thumbnail": sorl,
    "easy-thumbnails": easy,
    "plain Pillow": plain_pillow,
    "pyvips": libvips,
}


def memory(name: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{name}:")[2].split()[0]) * 1024


def measured(draw: Draw, path: str) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before, begun = memory("VmRSS"), time.process_time()
    data = draw(path)
    seconds = time.process_time() - begun
    growth = memory("VmHWM") - before
    return {"seconds": seconds, "growth": growth, "data": base64.b64encode(data).decode("ascii")}


def main() -> None:
    draw = PYTHON[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps(measured(draw, line.strip())), flush=True)


if __name__ == "__main__":
    main()
