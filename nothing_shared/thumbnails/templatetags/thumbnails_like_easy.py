"""easy-thumbnails' ``{% thumbnail %}`` and ``|thumbnail_url``, so that templates written for it go on.

Under the name ``thumbnail``, by ``"libraries"`` in the ``OPTIONS`` of the template engine. Its aliases are
specs with a name here: ``SPECS``.
"""

from __future__ import annotations

import re
from typing import Any

from django.template import Context, Library, Node, TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Token

from nothing_shared.thumbnails import markup
from nothing_shared.thumbnails.specs import BadSpec

__all__ = ["register"]

register = Library()

SUPPORTED = (
    "crop, crop=smart, upscale, quality=80, format=webp, target=30,70, focal_point, background"
)


class EasyNode(Node):
    def __init__(
        self, source: FilterExpression, size: Any, options: list[tuple[str, Any]], name: str
    ) -> None:
        self.source, self.size, self.options, self.name = source, size, options, name

    def render(self, context: Context) -> str:
        given = {name: _resolved(value, context) for name, value in self.options}
        try:
            spec = spec_like_easy(_resolved(self.size, context), given)
            thumbnail = markup.thumbnail(self.source.resolve(context) or None, spec)
        except BadSpec as failure:
            raise TemplateSyntaxError(f"{{% thumbnail %}}: {failure}") from failure
        if not self.name:
            return str(thumbnail)
        context[self.name] = thumbnail
        return ""


def spec_like_easy(size: Any, options: dict[str, Any]) -> str:
    """Translate a size and options of easy-thumbnails; raise :class:`BadSpec` for what can't be."""
    if isinstance(size, (tuple, list)):
        size = "x".join(str(side or "") for side in size)
    size = re.sub(r"(?<!\d)0(?!\d)", "", str(size))
    words = [size]
    for name, value in options.items():
        if value is False:
            continue
        if name == "crop":
            words += [] if size.startswith("x") or size.endswith("x") else ["cover"]
            words += ["smart"] if value == "smart" else []
        elif name == "upscale":
            words.append("enlarge")
        elif name == "quality":
            words.append(f"q{value}")
        elif name == "format":
            words.append(str(value).lower())
        elif name in ("target", "focal_point"):
            across, down = value if isinstance(value, (tuple, list)) else str(value).split(",")
            words.append(f"at{float(across):g}x{float(down):g}")
        elif name == "background":
            words += ["pad", f"bg{str(value).lstrip('#')}"]
        else:
            raise BadSpec(f"the option {name!r} has no counterpart here; allowed: {SUPPORTED}.")
    return " ".join(words)


def _resolved(value: Any, context: Context) -> Any:
    return value.resolve(context) if isinstance(value, FilterExpression) else value


@register.tag("thumbnail")
def thumbnail(parser: Parser, token: Token) -> EasyNode:
    """Parse ``{% thumbnail source 300x200 crop quality=80 as name %}``."""
    bits = token.split_contents()
    name = ""
    if len(bits) > 4 and bits[-2] == "as":
        name, bits = bits[-1], bits[:-2]
    if len(bits) < 3:
        raise TemplateSyntaxError("{% thumbnail %} is written {% thumbnail source 300x200 crop %}.")
    options = [_option(bit.rstrip(","), parser) for bit in bits[3:]]
    is_plain = re.fullmatch(r"\d+x\d+", bits[2])
    size = bits[2] if is_plain else parser.compile_filter(bits[2])
    return EasyNode(parser.compile_filter(bits[1]), size, options, name)


def _option(bit: str, parser: Parser) -> tuple[str, Any]:
    name, is_given, value = bit.partition("=")
    if not is_given:
        return name, True
    is_word = re.fullmatch(r"[a-z]+|[\d.,]+|#[0-9a-fA-F]+", value)
    return name, value if is_word else parser.compile_filter(value)


@register.filter
def thumbnail_url(source: Any, alias: str) -> str:
    """Return an address by the name of a spec: ``{{ photo.image|thumbnail_url:"card" }}``."""
    try:
        return str(markup.thumbnail(source or None, alias))
    except BadSpec:  # as there: a filter says nothing
        return ""
