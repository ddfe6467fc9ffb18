"""The styles a poster can be drawn in; each takes a canvas, its inks and a source of chance."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, pi, sin, tau
from random import Random

from .canvas import Canvas
from .palettes import Colour, Palette, between

__all__ = ["STYLES", "Style"]

Style = Callable[[Canvas, Palette, Random], None]


def waves(chance: Random, *, count: int = 4) -> Callable[[float], float]:
    """Return a smooth random curve around 0 whose swings stay within about 1."""
    parts = [
        (
            chance.uniform(0.5, 1) / (n + 1),
            chance.uniform(0.6, 1.4) * (n + 1),
            chance.uniform(0, tau),
        )
        for n in range(count)
    ]
    return lambda x: sum(size * sin(speed * x * tau + start) for size, speed, start in parts) / 1.6


def ridges(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """A low sun over hills behind hills."""
    x, y = chance.uniform(0.32, 0.68), chance.uniform(0.42, 0.52)
    canvas.glow(x, y, 0.75, palette.inks[0], 0.75)
    canvas.disc(x, y, 0.2, palette.inks[0])
    layers = 7
    for layer in range(layers):
        depth = layer / (layers - 1)
        line = waves(chance)
        base, swing = 0.58 + 0.53 * depth, 0.075 - 0.025 * depth
        top = [(step / 120, base + swing * line(step / 150)) for step in range(121)]
        ink = between(palette.inks[2], palette.night, depth**0.75)
        canvas.shape(
            [*top, (1.01, 1.3), (-0.01, 1.3)], between(palette.day, ink, 0.35 + 0.65 * depth)
        )


def record(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """Rings around a point off the middle, as of a record or a dropped stone."""
    x, y = chance.uniform(0.15, 0.35), chance.uniform(0.8, 1.0)
    count = 15
    for ring in range(count):
        radius = 1.24 - ring * 0.083
        part = ring / (count - 1)
        inks = palette.inks
        ink = between(inks[ring % len(inks)], palette.day, 0.25 * (1 - part))
        canvas.disc(x, y, radius, ink if ring % 2 == 0 else palette.night)
    canvas.disc(x, y, 0.03, palette.inks[0])
    canvas.disc(1 - x, 0.24, 0.09, palette.inks[0])


def tiles(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """A wall of four by five tiles: quarters, halves, dots and leaves."""
    side = 0.25
    last: Colour | None = None
    for place in range(20):
        x, y = place % 4 * side, place // 4 * side
        ground, ink, dot = chance.sample([*palette.inks, palette.day], 3)
        if ground == last:
            ground, ink = ink, ground
        last = ground
        canvas.block(x, y, side, side, ground)
        _tile(canvas, chance, (x, y, side), ink, dot)


def _tile(
    canvas: Canvas, chance: Random, place: tuple[float, float, float], ink: Colour, dot: Colour
) -> None:
    x, y, side = place
    corner = chance.randrange(4)
    cx, cy = x + side * (corner in (1, 2)), y + side * (corner in (2, 3))
    match chance.choice(["quarter", "quarter", "target", "leaf", "half", "dot"]):
        case "quarter":
            canvas.wedge(cx, cy, side, corner * 90, corner * 90 + 90, ink)
        case "target":
            for size, colour in ((1.0, ink), (0.66, dot), (0.33, ink)):
                canvas.wedge(cx, cy, side * size, corner * 90, corner * 90 + 90, colour)
        case "leaf":
            steps = [step / 24 * pi / 2 for step in range(25)]
            there = [(x + side * sin(a), y + side * (1 - cos(a))) for a in steps]
            back = [(x + side * (1 - sin(a)), y + side * cos(a)) for a in steps]
            canvas.shape(there + back, ink)
        case "half":
            start = chance.choice([0, 180])
            canvas.wedge(x + side / 2, y + side / 2, side / 2, start, start + 180, ink)
            canvas.wedge(x + side / 2, y + side / 2, side / 4, start + 180, start + 360, dot)
        case _:
            canvas.disc(x + side / 2, y + side / 2, side * 0.34, ink)
            canvas.disc(x + side / 2, y + side / 2, side * 0.12, dot)


def pulses(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """Signals from far away, drawn one below the other."""
    lines = 44
    for line in range(lines):
        y = 0.25 + 0.87 * line / (lines - 1)
        peaks = [(chance.gauss(0.5, 0.11), chance.uniform(0.02, 0.115)) for _ in range(6)]
        shiver = waves(chance, count=7)
        curve = []
        for step in range(201):
            x = 0.1 + 0.8 * step / 200
            calm = exp(-(((x - 0.5) / 0.2) ** 2))
            rise = sum(size * exp(-(((x - at) / 0.035) ** 2)) for at, size in peaks)
            curve.append((x, y - calm * rise - (0.004 + 0.012 * calm) * shiver(x * 1.7)))
        ink = between(palette.inks[0], palette.inks[-1], line / (lines - 1))
        ground = between(palette.night, palette.day, y / canvas.tall)
        canvas.shape([*curve, (0.9, y + 0.02), (0.1, y + 0.02)], ground)
        canvas.stroke(curve, ink, 0.0034)


def currents(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """Threads that drift through a slow stream and around a moon."""
    bend, lean = waves(chance, count=2), waves(chance, count=2)
    for _ in range(950):
        x, y = chance.uniform(-0.1, 1.1), chance.uniform(-0.1, 1.35)
        ink = chance.choice(palette.inks)
        path = [(x, y)]
        for _ in range(chance.randint(18, 70)):
            angle = 1.7 * bend(y * 0.55) + 1.5 * lean(x * 0.6)
            x, y = x + 0.0075 * cos(angle), y + 0.0075 * sin(angle)
            path.append((x, y))
        ground = between(palette.night, palette.day, min(max(y / canvas.tall, 0), 1))
        canvas.stroke(
            path, between(ground, ink, chance.uniform(0.35, 1)), chance.uniform(0.002, 0.007)
        )
    canvas.disc(0.66, 0.36, 0.17, palette.night)
    canvas.disc(0.66, 0.36, 0.145, palette.inks[-1])


def lanterns(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """Lights out of focus over dark water, and one that is sharp."""
    canvas.block(0, 0, 1, canvas.tall, between(palette.night, palette.day, 0.3))
    for _ in range(6):
        x, y = chance.uniform(0, 1), chance.uniform(0.6, 1.25)
        canvas.glow(x, y, chance.uniform(0.3, 0.6), chance.choice(palette.inks[1:]), 0.45)
    for _ in range(34):
        x, y, size = chance.uniform(0, 1), chance.uniform(0.02, 1.25), chance.uniform(0.008, 0.05)
        ink = chance.choice(palette.inks)
        canvas.glow(x, y, size * 3, ink, 0.5)
        canvas.disc(x, y, size, between(ink, palette.night, chance.uniform(0.1, 0.5)))
    canvas.blur(0.006)
    x, y = chance.uniform(0.36, 0.64), chance.uniform(0.5, 0.7)
    canvas.glow(x, y, 0.5, palette.inks[-1], 0.6)
    canvas.disc(x, y, 0.15, palette.inks[-1])
    for ring in range(4):
        canvas.ring(x, y, 0.2 + ring * 0.055, palette.inks[-1], 0.0032)


def halftone(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """A moon behind rain, in printer's dots."""
    curve = waves(chance, count=3)
    x0, y0, step = 0.5, 0.56, 1 / 38
    for row in range(50):
        for column in range(-1, 40):
            x, y = (column + row % 2 / 2) * step, row * step * 0.98
            away = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
            light = 0.5 + 0.5 * sin(7 * (x - x0) + 9 * (y - y0) + 2.2 * curve(x * 0.5))
            if away < 0.34:
                canvas.disc(x, y, step * (0.2 + 0.34 * light), palette.inks[2])
            else:
                canvas.disc(x, y, step * (0.07 + 0.22 * (1 - light)), palette.inks[0])


def arches(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """Rows of nested arches, like scales, roofs or waves in old prints."""
    radius = 0.2
    for row in range(-1, 13):
        for column in range(-1, 7):
            x = column * radius + (row % 2) * radius / 2 - radius / 2
            y = row * radius * 0.52 + radius
            first = chance.randrange(len(palette.inks))
            for ring in range(5):
                ink = palette.inks[(first + ring) % len(palette.inks)]
                ink = palette.night if ring % 2 else ink
                canvas.wedge(x, y, radius * (0.5 - ring * 0.095), 180, 360, ink)


def rays(canvas: Canvas, palette: Palette, chance: Random) -> None:
    """Light that falls in fans from a low source, behind a row of heads or houses."""
    count = 30
    for ray in range(count):
        start = 180 + ray * 180 / count
        ink = palette.inks[ray % len(palette.inks)]
        canvas.wedge(
            0.5, 1.02, 1.5, start, start + 180 / count + 0.1, between(palette.day, ink, 0.85)
        )
    for size, ink in ((0.42, palette.night), (0.36, palette.inks[0]), (0.24, palette.night)):
        canvas.wedge(0.5, 1.02, size, 180, 360, ink)
    canvas.wedge(0.5, 1.02, 0.15, 180, 360, palette.inks[-1])
    canvas.block(0, 1.015, 1, 0.3, palette.night)
    for line in range(5):
        y = 1.05 + line * 0.038
        canvas.block(0, y, 1, 0.008 + 0.002 * chance.random(), palette.inks[0])


STYLES: dict[str, Style] = {
    style.__name__: style
    for style in (ridges, record, tiles, pulses, currents, lanterns, halftone, arches, rays)
}
