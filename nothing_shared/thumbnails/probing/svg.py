"""SVG: a document, not a picture. It can be told apart and passed by, never drawn."""

from __future__ import annotations

import re

from nothing_shared.thumbnails.errors import UnsupportedPicture

__all__ = ["is_svg", "refuse_active"]

BEGINNING = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?>(?:<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)\s*)*+<svg[\s>]",
    re.DOTALL,
)
ACTIVE = re.compile(
    rb"<\s*(?:[a-z]+:)?(?:script|foreignobject|iframe|embed|object|handler|set|animate)\b"
    rb"|<!entity|<\?xml-stylesheet|[\s\"'/]on[a-z]+\s*=|javascript:|@import"
    rb"|href\s*=\s*[\"']?\s*(?!#|data:image/(?:png|jpeg|gif|webp)\b)[^\s\"'#]"
    rb"|url\(\s*[\"']?\s*(?!#)[^\s\"')#]|&#",
    re.IGNORECASE,
)


def is_svg(start: bytes) -> bool:
    return BEGINNING.match(start) is not None


def refuse_active(document: bytes) -> None:
    """Raise if the document does more than show shapes: scripts, handlers, references to elsewhere.

    This refuses some harmless documents, too. It is a second lock: serve what it lets pass with
    ``Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox``.
    """
    if b"\x00" in document:
        raise UnsupportedPicture("the SVG is not in UTF-8.")
    if found := ACTIVE.search(document):
        what = found[0].decode("ascii", "replace").strip()
        raise UnsupportedPicture(f"the SVG has {what!r}: allowed are shapes, without references.")
