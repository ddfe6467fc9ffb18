from __future__ import annotations

from django import template

register = template.Library()

HUES = 8


@register.filter
def initials(name: str) -> str:
    """Return the first letters of the first and the last part of a name."""
    parts = name.split()
    return "".join(part[0] for part in {0: parts[0], 1: parts[-1]}.values())[: len(parts)].upper()


@register.filter
def hue(name: str) -> int:
    """Return 0 to 7, the same for a name every time: the colour of somebody's initials."""
    return sum(map(ord, name)) % HUES


@register.filter
def ago(seconds: float) -> str:
    """Say how old a fragment is, as short as a footer needs it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
