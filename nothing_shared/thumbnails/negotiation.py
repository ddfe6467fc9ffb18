"""Which format a browser gets: what its Accept header names, in the site's order of preference."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from nothing_shared.thumbnails.specs import Spec

__all__ = ["negotiated", "preferred"]


def negotiated(spec: Spec, accept: str, offered: tuple[str, ...]) -> Spec:
    """Return a spec of the format ``auto`` with a better one that the header names, if there is one.

    A wildcard names nothing: browsers that know no AVIF send ``image/*`` too.
    """
    if spec.format != "auto":
        return spec
    still = tuple(name for name in offered if not (spec.is_animated and name == "avif"))
    found = preferred(accept, still)
    return spec.with_(format=found) if found else spec


@lru_cache(maxsize=512)
def preferred(accept: str, offered: tuple[str, ...]) -> str:
    """Return the first of the offered formats that the header names with a weight above 0, or ""."""
    weights = dict(_weights(accept.split(",")))
    return next((name for name in offered if weights.get(f"image/{name}", 0) > 0), "")


def _weights(ranges: Iterable[str]) -> Iterable[tuple[str, float]]:
    for given in ranges:
        kind, *parameters = given.split(";")
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        yield kind.strip().lower(), weight
