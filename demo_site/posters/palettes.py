"""The colours of the posters: a ground, then inks from the quietest to the loudest."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PALETTES", "Colour", "Palette", "between"]

Colour = tuple[int, int, int]


class Palette(NamedTuple):
    """What one poster is printed with; ``night`` and ``day`` end its background's gradient."""

    night: Colour
    day: Colour
    inks: tuple[Colour, ...]


def _colour(written: str) -> Colour:
    red, green, blue = bytes.fromhex(written)
    return red, green, blue


def _palette(night: str, day: str, *inks: str) -> Palette:
    return Palette(_colour(night), _colour(day), tuple(map(_colour, inks)))


def between(start: Colour, end: Colour, part: float) -> Colour:
    """Mix two colours; 0 is all ``start`` and 1 is all ``end``."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
    return red, green, blue


PALETTES = {
    "dusk": _palette("1c1b3a", "f08a5d", "f9c784", "f08a5d", "b83b5e", "6a2c70"),
    "harbour": _palette("0b2545", "13315c", "eef4ed", "8da9c4", "ffb627", "e4572e"),
    "orchard": _palette("f4e9cd", "f4e9cd", "468189", "77aca2", "d1495b", "edae49", "2e4057"),
    "ember": _palette("14080e", "49111c", "f2f4f3", "f7b267", "f4845f", "f25c54"),
    "lagoon": _palette("05353b", "0c7489", "d7f9f1", "7ae7c7", "13c4a3", "ffd166"),
    "paper": _palette("f3efe6", "e8dfd0", "d7263d", "1b1b1e", "f46036", "2e294e", "1b998b"),
    "violet": _palette("10002b", "5a189a", "e0aaff", "c77dff", "ff8fa3", "ffd6a5"),
    "meadow": _palette("1d3d2b", "88b04b", "f7f4d3", "d9e76c", "6fa86f", "2f5d42"),
    "rain": _palette("22303c", "5c7a8c", "dfeaf0", "a9c6d2", "f2c14e", "7f9fb0"),
    "candy": _palette("ffd6e0", "ffe9d6", "ef476f", "118ab2", "ffd166", "073b4c", "06d6a0"),
    "brass": _palette("191308", "3c2f14", "ffe8b6", "e0a93b", "b5651d", "7a3e0f"),
    "ice": _palette("e6f1f5", "bcd9e6", "0b3954", "087e8b", "ff5a5f", "3c91e6"),
}
