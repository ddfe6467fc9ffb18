"""Photographs: small ones that are kept here, and large ones made of them or found on this machine.

The four here are free of rights: `astronaut` is NASA's, `chelsea` (by Stéfan van der Walt), `coffee` (by
Rachel Michetti) and `rocket` (by SpaceX) are CC0; all of them from scikit-image.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from tests.drawing.pictures import encoded

__all__ = ["NAMES", "found", "mosaic", "photograph"]

HERE = Path(__file__).with_name("photographs")
NAMES = sorted(path.stem for path in HERE.glob("*.jpg"))


@lru_cache(maxsize=8)
def photograph(name: str) -> Image.Image:
    with Image.open(HERE / f"{name}.jpg") as image:
        return image.convert("RGB")


def mosaic(names: list[str], width: int, height: int, zoom: float = 1.0) -> Image.Image:
    """Cover a large picture with photographs, each beside its mirror image, without a seam."""
    tiles = []
    for name in names:
        tile = photograph(name)
        if zoom != 1:
            size = round(tile.width * zoom), round(tile.height * zoom)
            tile = tile.resize(size, Image.Resampling.BICUBIC)
        tiles.append(tile)
    image = Image.new("RGB", (width, height))
    y = row = 0
    while y < height:
        tile = tiles[row // 2 % len(tiles)]
        tile = ImageOps.flip(tile) if row % 2 else tile
        x = 0
        while x < width:
            image.paste(ImageOps.mirror(tile) if x // tile.width % 2 else tile, (x, y))
            x += tile.width
        y += tile.height
        row += 1
    return image


def found(megapixels: int) -> bytes:
    """A JPEG as cameras make them: of a photograph in ``$PHOTOGRAPHS`` if there is one, else of ours."""
    width, height = {12: (4000, 3000), 24: (6000, 4000)}[megapixels]
    folder = os.environ.get("PHOTOGRAPHS")
    if not folder:
        return encoded(mosaic(NAMES, width, height, zoom=2), "JPEG", quality=90)
    paths = sorted(path for path in Path(folder).rglob("*.jpg"))
    paths.sort(key=lambda path: -path.stat().st_size)
    with Image.open(paths[0]) as image:
        fitted = ImageOps.fit(image.convert("RGB"), (width, height))
    return encoded(fitted, "JPEG", quality=90)
