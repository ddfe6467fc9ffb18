"""``{% load thumbnails %}``: write the address of a thumbnail, an ``<img>`` or a ``<picture>``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.template import Library, Node, TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Token
from django.template.library import SimpleNode

from nothing_shared.thumbnails import markup
from nothing_shared.thumbnails.conf import thumbnail_settings
from nothing_shared.thumbnails.linking import spec_of
from nothing_shared.thumbnails.specs import BadSpec

__all__ = ["register"]

register = Library()


def _add(name: str, function: Callable[..., Any]) -> None:
    """Register a tag whose specs are template errors where they can't be understood."""

    @wraps(function)
    def told(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except BadSpec as failure:
            raise TemplateSyntaxError(f"{{% {name} %}}: {failure}") from failure

    register.simple_tag(told, name=name)
    compile_tag: Callable[[Parser, Token], Node] = register.tags[name]

    def compile_and_check(parser: Parser, token: Token) -> Node:
        node = compile_tag(parser, token)
        spec = _literal(node)
        if spec is not None:
            try:
                spec_of(spec, thumbnail_settings())
            except BadSpec as failure:
                raise TemplateSyntaxError(f"{{% {name} %}}: {failure}") from failure
        return node

    register.tags[name] = compile_and_check


def _literal(node: Node) -> str | None:
    """Return the spec of a tag where it is written out, so that it is checked without a context."""
    given = node.args[1] if isinstance(node, SimpleNode) and len(node.args) > 1 else None
    if isinstance(given, FilterExpression) and isinstance(given.var, str) and not given.filters:
        return str(given.var)
    return None


_add("thumbnail", markup.thumbnail)
_add("picture", markup.picture)
