"""The sheet a poster is drawn on: twice its size, so that every edge comes out smooth."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .palettes import Colour

__all__ = ["HEIGHT", "WIDTH", "Canvas"]

WIDTH, HEIGHT = 800, 1000
OVERSAMPLING = 2
GRAIN = 22.0


class Canvas:
    """Draw in units of the sheet's width: (0, 0) is the top left, (1, 1.25) the bottom right."""

    tall = HEIGHT / WIDTH

    def __init__(self, top: Colour, bottom: Colour) -> None:
        self.size = WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING
        self.image = Image.composite(
            Image.new("RGB", self.size, bottom),
            Image.new("RGB", self.size, top),
            Image.linear_gradient("L").resize(self.size),
        )
        self.pen = ImageDraw.Draw(self.image)

    def px(self, length: float) -> int:
        return round(length * self.size[0])

    def box(self, x: float, y: float, radius: float) -> tuple[int, int, int, int]:
        return (
            self.px(x - radius), self.px(y - radius), self.px(x + radius), self.px(y + radius)
        )  # fmt: skip

    def points(self, points: Iterable[tuple[float, float]]) -> list[tuple[int, int]]:
        return [(self.px(x), self.px(y)) for x, y in points]

    def disc(self, x: float, y: float, radius: float, ink: Colour) -> None:
        self.pen.ellipse(self.box(x, y, radius), fill=ink)

    def ring(self, x: float, y: float, radius: float, ink: Colour, width: float) -> None:
        self.pen.ellipse(self.box(x, y, radius), outline=ink, width=self.px(width))

    def wedge(
        self, x: float, y: float, radius: float, start: float, end: float, ink: Colour
    ) -> None:
        """Fill a slice of a disc; angles are in degrees, clockwise from three o'clock."""
        self.pen.pieslice(self.box(x, y, radius), start, end, fill=ink)

    def block(self, x: float, y: float, width: float, height: float, ink: Colour) -> None:
        corners = self.px(x), self.px(y), self.px(x + width) - 1, self.px(y + height) - 1
        self.pen.rectangle(corners, fill=ink)

    def shape(self, points: Iterable[tuple[float, float]], ink: Colour) -> None:
        self.pen.polygon(self.points(points), fill=ink)

    def stroke(self, points: Iterable[tuple[float, float]], ink: Colour, width: float) -> None:
        self.pen.line(self.points(points), fill=ink, width=self.px(width), joint="curve")

    def glow(self, x: float, y: float, radius: float, ink: Colour, strength: float) -> None:
        """Lay a soft light over what is there; ``strength`` is 0 to 1."""
        side = self.px(radius * 2)
        light = ImageChops.invert(Image.radial_gradient("L")).resize((side, side))
        light = light.point([round(level * level / 255 * strength) for level in range(256)])
        corner = self.px(x - radius), self.px(y - radius)
        self.image.paste(Image.new("RGB", (side, side), ink), corner, light)

    def blur(self, radius: float) -> None:
        """Blur all that has been drawn so far, at a fraction of the resolution: nobody can tell."""
        small = self.image.resize((self.size[0] // 8, self.size[1] // 8))
        small = small.filter(ImageFilter.GaussianBlur(self.px(radius) / 8))
        self.image.paste(small.resize(self.size, Image.Resampling.BICUBIC))

    def printed(self) -> bytes:
        """Return the finished poster as a JPEG, with the grain of uncoated paper."""
        sheet = self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        grain = Image.effect_noise((WIDTH, HEIGHT), GRAIN).convert("RGB")
        sheet = Image.blend(sheet, ImageChops.soft_light(sheet, grain), 0.55)
        file = BytesIO()
        sheet.save(file, "JPEG", quality=84, optimize=True, progressive=True)
        return file.getvalue()
