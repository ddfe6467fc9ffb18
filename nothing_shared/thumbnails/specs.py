"""Specs: what a thumbnail shall look like, as a text of a few words and as a frozen value.

``300x200 cover smart webp q80``: the size comes first, the other words in any order. The canonical
text joins the words by hyphens and has only characters that need no quoting in a URL.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

__all__ = ["FITS", "FORMATS", "BadSpec", "Spec", "parse"]

FITS = ("contain", "cover", "pad", "exact")
FORMATS = ("auto", "avif", "webp", "jpeg", "png", "gif")
MAX_SIDE = 10_000
MAX_DPR = 4.0


class BadSpec(ValueError):
    """A spec that can't be understood; the text says what is allowed."""


@dataclass(frozen=True)
class Spec:
    """What a thumbnail shall look like. All sides are in CSS pixels; ``dpr`` multiplies them.

    ``width`` or ``height`` may be None where the picture's own shape decides. ``focus`` is the point
    that must stay in sight, in percent from the left and the top; ``is_smart`` lets the picture say.
    """

    width: int | None
    height: int | None
    fit: str = "contain"
    focus: tuple[float, float] | None = None
    is_smart: bool = False
    format: str = "auto"
    quality: int | None = None
    dpr: float = 1.0
    background: str | None = None
    is_animated: bool = False
    may_enlarge: bool = False

    def __post_init__(self) -> None:
        """Raise :class:`BadSpec` if the parts don't go together, or one is out of bounds."""
        for problem in _problems(self):
            raise BadSpec(problem)

    @cached_property
    def text(self) -> str:
        """The canonical text: equal specs have equal texts, and ``parse(spec.text) == spec``."""
        words = [f"{self.width or ''}x{self.height or ''}"]
        words += [self.fit] if self.fit != "contain" else []
        words += [f"at{self.focus[0]:g}x{self.focus[1]:g}"] if self.focus else []
        words += ["smart"] if self.is_smart else []
        words += [self.format] if self.format != "auto" else []
        words += [f"q{self.quality}"] if self.quality else []
        words += [f"dpr{self.dpr:g}"] if self.dpr != 1 else []
        words += [f"bg{self.background}"] if self.background else []
        words += ["animated"] if self.is_animated else []
        words += ["enlarge"] if self.may_enlarge else []
        return "-".join(words)

    def with_(self, **parts: Any) -> Spec:
        """Return a copy with other parts: ``spec.with_(format="avif", dpr=2)``."""
        return replace(self, **parts)

    def output_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in pixels that a source of this (upright) size is drawn at."""
        return self._size(width, height, self.dpr)

    def display_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in CSS pixels to reserve for it: that of ``output_size`` at ``dpr`` 1."""
        return self._size(width, height, 1.0)

    def _size(self, width: int, height: int, dpr: float) -> tuple[int, int]:
        across = None if self.width is None else max(1, round(self.width * dpr))
        down = None if self.height is None else max(1, round(self.height * dpr))
        if across is not None and down is not None and self.fit != "contain":
            if self.fit == "cover" and not self.may_enlarge:
                return _shrunk(across, down, min(1.0, width / across, height / down))
            return across, down
        ratios = [*([across / width] if across else []), *([down / height] if down else [])]
        scale = min(ratios) if self.may_enlarge else min(1.0, *ratios)
        return _shrunk(width, height, scale, across, down)


def parse(text: str, named: Mapping[str, str] | None = None) -> Spec:
    """Return the spec that a text means, or raise :class:`BadSpec`.

    A text may begin with a name from ``named``, whose own text may not; the words after the name
    replace those of the named spec.
    """
    if not isinstance(text, str):
        raise BadSpec(f"a spec is a text such as '300x200 cover', not {text!r}.")
    words = _words(text)
    if named and words and words[0] in named:
        base = _parse(tuple(_words(named[words[0]])), ())
        return replace(base, **_parts(words[1:], frozenset())) if words[1:] else base
    return _parse(tuple(words), tuple(named or ()))


@lru_cache(maxsize=1024)
def _parse(words: tuple[str, ...], names: tuple[str, ...]) -> Spec:
    parts = _parts(words, frozenset(names))
    if "width" not in parts:
        raise BadSpec(f"the spec {' '.join(words)!r} has no size; allowed: {_SIZES}.")
    return Spec(**parts)


def _parts(words: list[str] | tuple[str, ...], names: frozenset[str]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for word in words:
        found = next((read(m) for pattern, read in _WORDS if (m := pattern.fullmatch(word))), None)
        if found is None:
            raise BadSpec(_unknown(word, names))
        if twice := found.keys() & parts.keys():
            raise BadSpec(
                f"the spec {' '.join(words)!r} gives its {min(twice)} twice; allowed: once."
            )
        parts |= found
    return parts


def _words(text: str) -> list[str]:
    return text.replace("-", " ").split()


def _unknown(word: str, names: frozenset[str]) -> str:
    known = [*names, *FITS, *FORMATS, "smart", "animated", "enlarge"]
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    name = f"a name of {', '.join(sorted(names))} first; " if names else ""
    return f"{word!r} is no word of a spec. {guess}Allowed: {name}{_ALLOWED}."


def _problems(spec: Spec) -> list[str]:
    """List, a sentence each, what does not go together."""
    sides = [side for side in (spec.width, spec.height) if side is not None]
    both, at = len(sides) == 2, spec.focus
    checks = [
        (bool(sides), f"a spec has no size; allowed: {_SIZES}."),
        (all(1 <= side <= MAX_SIDE for side in sides),
         f"a side of {sides} pixels is out of bounds; allowed: 1 to {MAX_SIDE}."),
        (spec.fit in FITS, f"a fit of {spec.fit!r} is unknown; allowed: {', '.join(FITS)}."),
        (both or spec.fit == "contain",
         f"{spec.fit!r} needs a width and a height; allowed: 300x200 {spec.fit}, or 300x alone."),
        (not (at or spec.is_smart) or spec.fit == "cover",
         "a focal point and 'smart' choose what 'cover' cuts off; allowed: with 'cover' only."),
        (not (at and spec.is_smart), "'smart' finds the focal point; allowed: one of the two."),
        (at is None or all(0 <= percent <= 100 for percent in at),
         f"the focal point {at} is outside of the picture; allowed: at0x0 to at100x100, in percent."),
        (spec.format in FORMATS,
         f"the format {spec.format!r} is unknown; allowed: {', '.join(FORMATS)}."),
        (spec.quality is None or 1 <= spec.quality <= 100,
         f"a quality of {spec.quality} is out of bounds; allowed: q1 to q100."),
        (0.5 <= spec.dpr <= MAX_DPR,
         f"a dpr of {spec.dpr:g} is out of bounds; allowed: dpr0.5 to dpr{MAX_DPR:g}."),
        (spec.background is None or re.fullmatch("[0-9a-f]{6}", spec.background) is not None,
         f"the background {spec.background!r} is no colour; allowed: bgffffff, six digits."),
        (not spec.is_animated or spec.format in ("auto", "webp", "gif", "png"),
         f"{spec.format!r} shows one picture; allowed for 'animated': webp, gif, png, auto."),
    ]  # fmt: skip
    return [sentence for holds, sentence in checks if not holds]


def _shrunk(
    width: int, height: int, scale: float, across: int | None = None, down: int | None = None
) -> tuple[int, int]:
    """Scale a size; a side that comes out as wanted but for rounding is the wanted one."""
    return (
        max(1, min(round(width * scale), across or MAX_SIDE * 4)),
        max(1, min(round(height * scale), down or MAX_SIDE * 4)),
    )


def _size(match: re.Match[str]) -> dict[str, Any]:
    return {
        "width": int(match[1]) if match[1] else None,
        "height": int(match[2]) if match[2] else None,
    }


def _colour(match: re.Match[str]) -> dict[str, Any]:
    digits = match[1].lower()
    return {"background": digits if len(digits) == 6 else "".join(2 * digit for digit in digits)}


_NUMBER = r"(\d{1,3}(?:\.\d{1,2})?)"
_SIZES = "300x200, 300x (as wide), x200 (as high)"
_ALLOWED = (
    f"a size ({_SIZES}), a fit ({', '.join(FITS)}), at30x70 or smart with cover, a format "
    f"({', '.join(FORMATS)}), q1 to q100, dpr0.5 to dpr{MAX_DPR:g}, bgffffff, animated, enlarge"
)
_WORDS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"(\d{1,6})?x(\d{1,6})?", re.ASCII), _size),
    (re.compile("|".join(FITS)), lambda match: {"fit": match[0]}),
    (re.compile(f"at{_NUMBER}x{_NUMBER}", re.ASCII),
     lambda match: {"focus": (float(match[1]), float(match[2]))}),
    (re.compile("smart"), lambda match: {"is_smart": True}),
    (re.compile("|".join([*FORMATS, "jpg"])),
     lambda match: {"format": match[0].replace("jpg", "jpeg")}),
    (re.compile(r"q(\d{1,3})", re.ASCII), lambda match: {"quality": int(match[1])}),
    (re.compile(f"dpr{_NUMBER}", re.ASCII), lambda match: {"dpr": float(match[1])}),
    (re.compile("(?:bg|#)([0-9a-fA-F]{6}|[0-9a-fA-F]{3})"), _colour),
    (re.compile("animated"), lambda match: {"is_animated": True}),
    (re.compile("enlarge"), lambda match: {"may_enlarge": True}),
)  # fmt: skip
