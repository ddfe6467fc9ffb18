"""The settings of thumbnails: ``NOTHING_SHARED_THUMBNAILS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nothing_shared.conf import option, read
from nothing_shared.thumbnails.limits import DEFAULT_LIMITS, Limits

__all__ = ["SETTING", "ThumbnailSettings", "limits_of", "thumbnail_settings"]

SETTING = "NOTHING_SHARED_THUMBNAILS"

MIB = 2**20
FORMATS = ("avif", "webp")


def _are_formats(names: tuple[str, ...]) -> bool:
    return all(name in FORMATS for name in names)


def _is_address(text: str) -> bool:
    return not set(text) & set("\"'<>& \t\n")


def _is_header(name: str) -> bool:
    return name in ("", "X-Accel-Redirect", "X-Sendfile")


@dataclass(frozen=True)
class ThumbnailSettings:
    specs: Mapping[str, str] = option(
        {},
        'Names for specs: `{"card": "300x200 cover"}`. A tag may then say `"card"`, or `"card webp"`.',
    )
    formats: tuple[str, ...] = option(
        FORMATS,
        "What a spec without a format may become where the browser's `Accept` header names it, the best "
        "first. Else it becomes a JPEG, or a WebP where it is transparent or moves.",
        rule=("avif, webp or both", _are_formats),
    )
    version_fields: Mapping[str, str] = option(
        {},
        'Which field of a model changes whenever its picture does: `{"shop.Product": "changed_at"}`. It '
        "goes into the URL, which may then be kept for ever.",
    )
    hashed_names: tuple[str, ...] = option(
        (),
        "Aliases of storages in which no name is ever used for a second picture, as where names contain "
        "a hash. URLs of their thumbnails may be kept for ever.",
    )
    base_url: str = option(
        "",
        "What stands before the path of every URL: `https://thumbs.example.com`, a CDN's.",
        rule=("an address without spaces and quotes", _is_address),
    )
    former_keys: tuple[str, ...] = option(
        (),
        "Keys that URLs were signed with besides `SECRET_KEY` and `SECRET_KEY_FALLBACKS`: thumbnails in "
        "old e-mails outlive both.",
    )
    max_age: int = option(
        60,
        "Seconds for which a browser may keep a thumbnail whose URL has no version. One with a version may "
        "be kept for a year.",
        minimum=0,
    )
    check_source: float = option(
        300.0,
        "Seconds after which the storage is asked again whether a source without a version is still the "
        "same, where nothing said that it changed: who writes past Django says nothing.",
        minimum=0,
    )
    directory: Path | None = option(
        None,
        "Where a node keeps what it has drawn. `None`: in its node directory, which is in memory where there "
        "is room; name a disk if that shall outlive a restart of the machine.",
    )
    cache_bytes: int = option(
        256 * MIB, "Bytes of thumbnails that a node keeps on its disk.", minimum=MIB
    )
    derived_storage: str | None = option(
        None,
        "Alias of a storage, in `STORAGES`, that all nodes share what they drew in. It is asked before "
        "drawing. `None`: each node draws for itself.",
    )
    drawings: int | None = option(
        None,
        "How many thumbnails a machine draws at once, over all its workers. `None`: one per CPU.",
        minimum=1,
        maximum=1024,
    )
    queue: int = option(
        32,
        "How many more may wait for their turn; what comes then is told 503 and `Retry-After`.",
        minimum=0,
        maximum=4096,
    )
    patience: float = option(
        10.0, "Seconds that a request waits for its turn, or for the drawing of another.", minimum=0
    )
    refusal_seconds: float = option(
        30.0,
        "Seconds for which a node remembers that a source is missing, damaged or refused. It forgets it at "
        "once when the source is replaced.",
        minimum=0,
    )
    placeholder: Path | None = option(
        None,
        "A picture that ships with the code, drawn in the place of a thumbnail that can't be; the status "
        "stays that of the error. `None`: a sentence.",
    )
    previews: Literal["none", "colour", "blur"] = option(
        "colour",
        "What a node notes of each source that it draws, for `{% picture … placeholder=True %}`: its average "
        "`colour`, or a `blur` of it (a ThumbHash, as a picture of about 1 KB in the page).",
    )
    svg: Literal["refuse", "pass"] = option(
        "refuse",
        "SVG sources, which can carry scripts: `refuse`, or `pass` on unchanged those that have none and "
        "refer to nothing, under a policy that lets no browser run anything in them.",
    )
    engine: Literal["pillow", "vips"] = option(
        "pillow", "What draws: `vips` takes `pip install 'nothing-shared[vips]'`."
    )
    accel_header: str = option(
        "",
        "`X-Accel-Redirect` or `X-Sendfile`: the web server sends the file, and Django only says which.",
        rule=("X-Accel-Redirect, X-Sendfile or empty", _is_header),
    )
    accel_prefix: str = option(
        "",
        "What nginx calls the directory of the thumbnails: `/drawn/`. For X-Sendfile, leave it empty.",
    )
    limit_bytes: int = option(
        DEFAULT_LIMITS.bytes, "Bytes that are read of a source.", minimum=1024
    )
    limit_pixels: int = option(
        DEFAULT_LIMITS.pixels, "Pixels of a source, width by height.", minimum=1
    )
    limit_memory: int = option(
        DEFAULT_LIMITS.memory, "Bytes of memory that one drawing may take by estimate.", minimum=MIB
    )
    limit_seconds: float = option(
        DEFAULT_LIMITS.seconds, "Seconds that one drawing may take.", minimum=0.1
    )


def thumbnail_settings() -> ThumbnailSettings:
    return read(SETTING, ThumbnailSettings)


def limits_of(options: ThumbnailSettings) -> Limits:
    return Limits(
        bytes=options.limit_bytes,
        pixels=options.limit_pixels,
        memory=options.limit_memory,
        seconds=options.limit_seconds,
        svg=options.svg,
    )
