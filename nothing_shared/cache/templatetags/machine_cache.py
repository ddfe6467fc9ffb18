"""``{% load machine_cache %}``: cache a part of a template."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from django.template import Context, Library, Node, NodeList, TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Token, token_kwargs
from django.utils.safestring import SafeString

from nothing_shared.cache.decorators import machine_cache

__all__ = ["register"]

register = Library()

OPTIONS = ("using", "only", "depends_on", "serve_stale")


class CachedNode(Node):
    def __init__(
        self,
        nodelist: NodeList,
        timeout: FilterExpression,
        name: FilterExpression,
        varies: list[FilterExpression],
        options: dict[str, FilterExpression],
    ) -> None:
        self.nodelist = nodelist
        self.timeout = timeout
        self.name = name
        self.varies = varies
        self.options = options

    def render(self, context: Context) -> SafeString:
        timeout = self._timeout(self.timeout.resolve(context))
        parts = [str(part.resolve(context)) for part in (self.name, *self.varies)]
        digest = blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
        chosen = {name: value.resolve(context) for name, value in self.options.items()}
        rendered = machine_cache(chosen.pop("using", "default")).get_or_set(
            f"template:{digest}",
            lambda: self.nodelist.render(context),
            timeout,
            depends_on=_listed(chosen.get("depends_on", ())),
            only=_listed(chosen["only"]) if "only" in chosen else None,
            serve_stale=bool(chosen.get("serve_stale", False)),
            label=" ".join(parts),
        )
        return SafeString(rendered)

    @staticmethod
    def _timeout(value: Any) -> float | None:
        if value is None:
            return None
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TemplateSyntaxError(
                f"{{% cached %}} got the timeout {value!r}; allowed: a number of seconds or None."
            ) from None


def _listed(names: Any) -> tuple[Any, ...]:
    if isinstance(names, (list, tuple, set)):
        return tuple(names)
    return (names,)


@register.tag
def cached(parser: Parser, token: Token) -> CachedNode:
    """Cache a part of a template until something changes that it, or its view before it, has read.

    ``{% cached 600 "event" event.pk %}…{% endcached %}``: seconds at the most, a name, what it varies
    on. Options: ``using="alias"`` of ``CACHES``; ``depends_on=`` a name, instance, or list; ``only=``
    the same, instead of what was read; ``serve_stale=True``.
    """
    bits = token.split_contents()
    if len(bits) < 3:
        raise TemplateSyntaxError(
            f'{{% {bits[0]} %}} takes a timeout and a name: {{% {bits[0]} 600 "sidebar" user.pk %}}.'
        )
    positional: list[FilterExpression] = []
    rest = bits[1:]
    while rest and not _is_option(rest[0]):
        positional.append(parser.compile_filter(rest.pop(0)))
    options = token_kwargs(rest, parser)
    if rest or len(positional) < 2:
        raise TemplateSyntaxError(
            f"{{% {bits[0]} %}} got {' '.join(bits[1:])!r}; allowed: a timeout, a name, what it varies "
            f"on, then any of {', '.join(OPTIONS)} with an equals sign."
        )
    nodelist = parser.parse(("endcached",))
    parser.delete_first_token()
    return CachedNode(nodelist, positional[0], positional[1], positional[2:], options)


def _is_option(bit: str) -> bool:
    return bit.partition("=")[0] in OPTIONS and "=" in bit
