"""Storages that say when a file is replaced or deleted."""

from __future__ import annotations

from typing import Any

from django.core.files.storage import FileSystemStorage as DjangoFileSystemStorage

from nothing_shared.thumbnails.changes import changing
from nothing_shared.thumbnails.naming import alias_of

__all__ = ["AnnouncesChanges", "FileSystemStorage"]


class AnnouncesChanges:
    """Mix it into a storage, before its class: all nodes hear of each ``save`` and ``delete``.

    The storage has to be one of ``STORAGES``. What is written to an open file is not announced: say
    :func:`~nothing_shared.thumbnails.forget` after it.
    """

    def _save(self, name: str, content: Any) -> str:
        alias = alias_of(self)
        with changing(alias, name):
            kept: str = super()._save(name, content)  # type: ignore[misc]
        if kept != name:
            with changing(alias, kept):
                pass
        return kept

    def delete(self, name: str) -> None:
        with changing(alias_of(self), name, is_deletion=True):
            super().delete(name)  # type: ignore[misc]


class FileSystemStorage(AnnouncesChanges, DjangoFileSystemStorage):
    """Django's own, on a directory that all nodes mount, or on the only node that there is."""
