"""Write the URL of a thumbnail: a pure function of source, spec and version, with no I/O at all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse

from nothing_shared.signing import signer
from nothing_shared.thumbnails.conf import ThumbnailSettings, thumbnail_settings
from nothing_shared.thumbnails.naming import Source, source_of
from nothing_shared.thumbnails.promises import Promise, Signer, safe_name
from nothing_shared.thumbnails.specs import Spec, parse

__all__ = ["PURPOSE", "prefix", "promise_signer", "spec_of", "thumbnail_url", "url_of"]

PURPOSE = "thumbnails"
NAMESPACE = "nothing_shared_thumbnails"


def thumbnail_url(
    source: Any, spec: str | Spec, *, storage: str | None = None, version: object = None
) -> str:
    """Return the URL of a thumbnail; "" for an empty field.

    ``source`` is the file of a field, or a name in ``storage``. For a page of another site, or an
    e-mail, join it to this site's address, or set ``BASE_URL``. Raises
    :class:`~nothing_shared.thumbnails.specs.BadSpec` for a spec that can't be understood, and
    :class:`~nothing_shared.thumbnails.promises.UnsafeName` for a name that no URL may carry.
    """
    options = thumbnail_settings()
    found = source_of(source, options, storage=storage, version=version)
    return "" if found is None else url_of(found, spec_of(spec, options), options)


def spec_of(spec: str | Spec, options: ThumbnailSettings) -> Spec:
    return spec if isinstance(spec, Spec) else parse(spec, options.specs)


def url_of(source: Source, spec: Spec, options: ThumbnailSettings) -> str:
    path = _signed(promise_signer(options), source.storage, source.name, spec.text, source.version)
    return f"{options.base_url}{prefix()}{path}"


@lru_cache(maxsize=8192)
def _signed(signer: Signer, storage: str, name: str, spec: str, version: str) -> str:
    return Promise(storage, safe_name(name), spec, version).signed(signer)


def promise_signer(options: ThumbnailSettings) -> Signer:
    return signer(PURPOSE, is_short=True, former_keys=options.former_keys)


_prefixes: dict[tuple[Any, str], str] = {}


def prefix() -> str:
    """Return the path that the URLs are included under."""
    place = (get_urlconf() or settings.ROOT_URLCONF, get_script_prefix())
    known = _prefixes.get(place)
    if known is None:
        try:
            known = reverse(f"{NAMESPACE}:thumbnail", args=["x"])[:-1]
        except NoReverseMatch as failure:
            raise ImproperlyConfigured(
                "The URLs of thumbnails are not in the URLconf. Add to its urlpatterns: "
                'path("thumbs/", include("nothing_shared.thumbnails.urls"))'
            ) from failure
        if len(_prefixes) < 256:
            _prefixes[place] = known
    return known


def _forget_prefixes(*, setting: str, **kwargs: Any) -> None:
    if setting == "ROOT_URLCONF":
        _prefixes.clear()


setting_changed.connect(_forget_prefixes, dispatch_uid="nothing_shared.thumbnails.linking")
