"""What the tags print: addresses, ``<img>`` and ``<picture>``, without looking at a single file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString

from nothing_shared.thumbnails.conf import ThumbnailSettings, thumbnail_settings
from nothing_shared.thumbnails.linking import spec_of, url_of
from nothing_shared.thumbnails.naming import Source, source_of
from nothing_shared.thumbnails.promises import UnsafeName
from nothing_shared.thumbnails.specs import BadSpec, Spec

__all__ = ["Thumbnail", "picture", "thumbnail"]

logger = logging.getLogger("nothing_shared.thumbnails")

MEDIA_TYPES = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}
DENSITIES = (1.0, 2.0)
PLAIN = (int, SafeString)
LAZY = {"loading": "lazy", "decoding": "async"}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The address of a thumbnail, and the size in CSS pixels that it will have, as far as is known.

    Prints as its address. Without a source all is empty, and it is false.
    """

    url: str
    width: int | None = None
    height: int | None = None

    def __bool__(self) -> bool:
        return bool(self.url)

    def __str__(self) -> str:
        return self.url

    def __html__(self) -> str:
        return self.url  # quoted as an address: nothing in it means anything to HTML


NOTHING = Thumbnail("")


def thumbnail(
    source: Any,
    spec: str | Spec,
    *,
    storage: str | None = None,
    version: object = None,
    alt: str | None = None,
    **attributes: object,
) -> Thumbnail | SafeString:
    """Return the thumbnail of a source; with ``alt``, and whatever other attributes, an ``<img>``."""
    options = thumbnail_settings()
    wanted = spec_of(spec, options)
    found = source_of(source, options, storage=storage, version=version)
    if found is None:
        return NOTHING if alt is None else SafeString("")
    try:
        drawn = _thumbnail(found, wanted, options)
    except (
        UnsafeName
    ) as failure:  # of a row written past the model's own checks: no reason to fail a page
        logger.warning("no address for a thumbnail: %s", failure)
        return NOTHING if alt is None else SafeString("")
    if alt is None and not attributes:
        return drawn
    return _img(drawn, {"alt": alt or "", **attributes})


def picture(
    source: Any,
    spec: str | Spec,
    *,
    alt: str = "",
    sizes: str | None = None,
    widths: str | None = None,
    formats: str | None = None,
    lazy: bool = True,
    placeholder: bool = False,
    storage: str | None = None,
    version: object = None,
    **attributes: object,
) -> SafeString:
    """Return a ``<picture>`` with a source per format, and a ``srcset`` of widths or densities.

    ``widths="400 800"`` are CSS pixels to choose from by ``sizes``; without them there is one for
    screens of single and one for screens of double density. ``placeholder`` is what this
    node has noted of the source's looks, if it has: see ``PREVIEWS``.
    """
    options = thumbnail_settings()
    wanted = spec_of(spec, options)
    found = source_of(source, options, storage=storage, version=version)
    if found is None:
        return SafeString("")
    names = options.formats if formats is None else tuple(formats.replace(",", " ").split())
    more: dict[str, object] = {"sizes": sizes, "alt": alt, **(LAZY if lazy else {}), **attributes}
    preview = _preview(found) if placeholder else ""
    if preview:
        more["style"] = f"{preview};{attributes.get('style', '')}"
    try:
        return _picture(found, wanted, _variants(wanted, widths, found), names, more, options)
    except UnsafeName as failure:
        logger.warning("no address for a picture: %s", failure)
        return SafeString("")


def _picture(
    source: Source,
    spec: Spec,
    variants: list[tuple[Spec, str]],
    formats: tuple[str, ...],
    attributes: dict[str, object],
    options: ThumbnailSettings,
) -> SafeString:
    if unknown := [name for name in formats if name not in MEDIA_TYPES]:
        raise BadSpec(
            f"{unknown[0]!r} is no format of a picture; allowed: {', '.join(MEDIA_TYPES)}."
        )
    offered = formats if spec.format == "auto" else ()
    ready = [name for name in offered if not (name == "avif" and spec.is_animated)]
    sized = {"sizes": attributes["sizes"]}
    sources = "".join(
        f"<source{_attributes({'type': MEDIA_TYPES[name], 'srcset': srcset, **sized})}>"
        for name in ready
        for srcset in [_srcset(source, variants, name, options)]
    )
    srcset = _srcset(source, variants, spec.format, options)
    img = _img(_thumbnail(source, spec, options), {"srcset": srcset, **attributes})
    return SafeString(f"<picture>{sources}{img}</picture>")


def _thumbnail(source: Source, spec: Spec, options: ThumbnailSettings) -> Thumbnail:
    width, height = _shown_size(source, spec)
    return Thumbnail(url_of(source, spec, options), width, height)


def _shown_size(source: Source, spec: Spec) -> tuple[int | None, int | None]:
    """Return the size to reserve; where the source's is not known, what the spec alone says of it."""
    if source.size is not None:
        return spec.display_size(*source.size)
    if spec.fit == "contain":
        return None, None
    return spec.width, spec.height


@lru_cache(maxsize=1024)
def _in_format(spec: Spec, format: str) -> Spec:
    return spec.with_(format=format)


@lru_cache(maxsize=1024)
def _of_density(spec: Spec, density: float) -> Spec:
    return spec.with_(dpr=density)


def _variants(spec: Spec, widths: str | None, source: Source) -> list[tuple[Spec, str]]:
    """Return the specs to choose from, each with its descriptor; none wider than the source."""
    if widths is None:
        return [(_of_density(spec, density), f"{density:g}x") for density in DENSITIES]
    wanted = sorted({int(width) for width in widths.replace(",", " ").split()})
    most = source.size[0] if source.size and not spec.may_enlarge else None
    fitting = [width for width in wanted if most is None or width <= most] or wanted[:1]
    return [(_of_width(spec, width), f"{width}w") for width in fitting]


@lru_cache(maxsize=1024)
def _of_width(spec: Spec, width: int) -> Spec:
    height = spec.height
    if spec.width and height:
        height = max(1, round(height * width / spec.width))
    return spec.with_(width=width, height=height if spec.width else None)


def _srcset(
    source: Source, variants: list[tuple[Spec, str]], format: str, options: ThumbnailSettings
) -> str:
    # A comma would end a candidate: it is the only letter of a path that has to be quoted here.
    return SafeString(
        ", ".join(
            f"{url_of(source, _in_format(spec, format), options).replace(',', '%2C')} {descriptor}"
            for spec, descriptor in variants
        )
    )


def _img(drawn: Thumbnail, attributes: dict[str, object]) -> SafeString:
    known: dict[str, object] = {
        "src": SafeString(drawn.url),
        "width": drawn.width,
        "height": drawn.height,
    }
    return SafeString(f"<img{_attributes(known | attributes)}>")


def _attributes(given: dict[str, object]) -> SafeString:
    """Write attributes: None and False are left out, True stands by itself, ``data_id`` is ``data-id``."""
    written = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        shown = name if name.isalpha() else escape(name.strip("_").replace("_", "-"))
        if value is True:
            written.append(f" {shown}")
        else:
            text = (
                value
                if type(value) in PLAIN or value == ""
                else conditional_escape(cast(str, value))
            )
            written.append(f' {shown}="{text}"')
    return SafeString("".join(written))


def _preview(source: Source) -> str:
    from nothing_shared.thumbnails import workshop

    return workshop.current().previews.find(source.storage, source.name, source.version)
