"""Name what a template hands over: a file by its storage and name, and what is known of it.

Nothing here touches a storage or a database: whatever is not known by now stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage, storages
from django.db.models.fields.files import FieldFile
from django.utils.functional import LazyObject

from nothing_shared.thumbnails.conf import ThumbnailSettings
from nothing_shared.thumbnails.promises import name_version

__all__ = ["Source", "alias_of", "source_of"]

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Source:
    """A file in a storage. ``version`` is "" and ``size`` None where the model doesn't know."""

    storage: str
    name: str
    version: str = ""
    size: tuple[int, int] | None = None


def source_of(
    given: Any, options: ThumbnailSettings, *, storage: str | None = None, version: object = None
) -> Source | None:
    """Return the source that a field's file or a name means; None for an empty one.

    A field's file knows its storage, and its model may know a version and a size: see
    ``VERSION_FIELDS``, and Django's ``width_field`` and ``height_field``.
    """
    if isinstance(given, FieldFile):
        if not given.name:
            return None
        known = name_version(_version(given, options) if version is None else version)
        return Source(storage or alias_of(given.storage), given.name, known, _size(given))
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise TypeError(
            f"{given!r} is no source of a thumbnail; allowed: the file of a FileField or ImageField, or "
            "the name of a file in a storage."
        )
    return Source(storage or DEFAULT, given, name_version(version))


def _version(file: FieldFile, options: ThumbnailSettings) -> object:
    if not options.version_fields:
        return None
    field = options.version_fields.get(file.instance._meta.label)
    return getattr(file.instance, field) if field else None


def _size(file: FieldFile) -> tuple[int, int] | None:
    """Read the size from the model's own fields: ``file.width`` would open the file."""
    across = getattr(file.field, "width_field", None)
    down = getattr(file.field, "height_field", None)
    if not (across and down):
        return None
    width, height = getattr(file.instance, across), getattr(file.instance, down)
    return (width, height) if width and height else None


def alias_of(storage: Any) -> str:
    """Return the alias of a storage: URLs carry it, so that any node finds the source again.

    Of several aliases with equal settings it is the first.
    """
    if storage is default_storage:
        return DEFAULT
    if isinstance(storage, LazyObject):
        bool(storage)  # has it made
        storage = storage._wrapped
    for alias in settings.STORAGES:
        if alias != "staticfiles" and storages[alias] is storage:
            return same_as(alias)
    raise ImproperlyConfigured(
        f"{storage!r} has no alias, so no URL can say where the source is. Name it in STORAGES, and take "
        'it from there: FileField(storage=lambda: storages["photos"]).'
    )


def same_as(alias: str) -> str:
    """Return the first alias with the same settings: one storage shall have one name."""
    wanted = settings.STORAGES[alias]
    return next(other for other, given in settings.STORAGES.items() if given == wanted)
