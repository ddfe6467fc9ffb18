"""sorl-thumbnail's ``{% thumbnail %}``, so that templates written for it go on working.

Under the name ``thumbnail``, by ``"libraries"`` in the ``OPTIONS`` of the template engine. Options that
have no counterpart here are an error that says so.
"""

from __future__ import annotations

from typing import Any

from django.template import Context, Library, Node, NodeList, TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Token, token_kwargs

from nothing_shared.thumbnails import markup
from nothing_shared.thumbnails.specs import BadSpec

__all__ = ["register"]

register = Library()

EDGES = {"left": 0, "top": 0, "center": 50, "right": 100, "bottom": 100}
SUPPORTED = "crop, upscale, quality, format, padding, padding_color"


class SorlNode(Node):
    """Renders its block with the thumbnail under a name, or what stands after ``{% empty %}``."""

    child_nodelists = ("found", "empty")

    def __init__(
        self,
        source: FilterExpression,
        geometry: FilterExpression,
        options: dict[str, FilterExpression],
        name: str,
        found: NodeList,
        empty: NodeList,
    ) -> None:
        self.source, self.geometry, self.options, self.name = source, geometry, options, name
        self.found, self.empty = found, empty

    def render(self, context: Context) -> Any:
        given = {name: value.resolve(context) for name, value in self.options.items()}
        try:
            spec = spec_like_sorl(str(self.geometry.resolve(context)), given)
            thumbnail = markup.thumbnail(self.source.resolve(context) or None, spec)
        except BadSpec as failure:
            raise TemplateSyntaxError(f"{{% thumbnail %}}: {failure}") from failure
        if not thumbnail:
            return self.empty.render(context)
        with context.push(**{self.name: thumbnail}):
            return self.found.render(context)


def spec_like_sorl(geometry: str, options: dict[str, Any]) -> str:
    """Translate a geometry and options of sorl-thumbnail; raise :class:`BadSpec` for what can't be."""
    words = [geometry if "x" in geometry else f"{geometry}x"]
    has_both = not (words[0].startswith("x") or words[0].endswith("x"))
    for name, value in options.items():
        if name == "crop" and value and value != "noop":
            words += _cover(str(value)) if has_both else []
        elif name == "upscale":
            words += ["enlarge"] if value else []
        elif name == "quality":
            words.append(f"q{value}")
        elif name == "format":
            words.append(str(value).lower())
        elif name == "padding":
            words += ["pad"] if value else []
        elif name == "padding_color":
            words.append(f"bg{str(value).lstrip('#')}")
        else:
            raise BadSpec(f"the option {name!r} has no counterpart here; allowed: {SUPPORTED}.")
    if "upscale" not in options and has_both and "cover" not in words:
        words.append("enlarge")  # sorl enlarges unless it is told not to
    return " ".join(words)


def _cover(crop: str) -> list[str]:
    if crop == "smart":
        return ["cover", "smart"]
    parts = crop.split() if " " in crop else [crop, "center"]
    try:
        across, down = (EDGES[p] if p in EDGES else float(p.removesuffix("%")) for p in parts)
    except ValueError:
        raise BadSpec(f"crop={crop!r} is unknown; allowed: center, smart, left, 10% 50%.") from None
    if parts[0] in ("top", "bottom"):
        across, down = 50, EDGES[parts[0]]
    return ["cover"] if (across, down) == (50, 50) else ["cover", f"at{across:g}x{down:g}"]


@register.tag("thumbnail")
def thumbnail(parser: Parser, token: Token) -> SorlNode:
    """Parse ``{% thumbnail source geometry option=value … as name %} … {% empty %} … {% endthumbnail %}``."""
    bits = token.split_contents()
    if len(bits) < 5 or bits[-2] != "as":
        raise TemplateSyntaxError(
            '{% thumbnail %} is written {% thumbnail source "100x100" crop="center" as name %}.'
        )
    rest = bits[3:-2]
    options = token_kwargs(rest, parser)
    if rest:
        raise TemplateSyntaxError(f"{{% thumbnail %}}: {rest[0]!r} is no option=value.")
    found = parser.parse(("empty", "endthumbnail"))
    empty = NodeList()
    if parser.next_token().contents == "empty":
        empty = parser.parse(("endthumbnail",))
        parser.delete_first_token()
    source, geometry = parser.compile_filter(bits[1]), parser.compile_filter(bits[2])
    return SorlNode(source, geometry, options, bits[-1], found, empty)
