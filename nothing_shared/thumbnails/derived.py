"""The derived storage: what any node drew, for all of them. It may lose everything without loss.

Asked by name, never by ``exists``; what isn't there, or is not whole, is drawn.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

from nothing_shared.thumbnails.entries import key_of
from nothing_shared.thumbnails.wholeness import whole_picture

__all__ = ["Derived", "derived_of", "name_of"]

logger = logging.getLogger("nothing_shared.thumbnails")

DIRECTORY = "drawn"


class Shelf(Protocol):
    """A storage of derived files; each method may raise what its storage raises."""

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, data: bytes, content_type: str) -> None: ...

    def delete_under(self, prefix: str) -> int:
        """Delete all files of a directory; return how many."""


class Derived:
    """A derived storage that never fails: out of reach, it has nothing and keeps nothing."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def get(self, name: str) -> tuple[bytes, str] | None:
        """Return a whole file and its content type."""
        try:
            data = self._shelf.get(name)
        except Exception as failure:
            _warn("read", name, failure)
            return None
        content_type = whole_picture(data) if data else ""
        return (data, content_type) if data and content_type else None

    def put(self, name: str, data: bytes, content_type: str) -> None:
        try:
            self._shelf.put(name, data, content_type)
        except Exception as failure:
            _warn("written", name, failure)

    def delete_all_of(self, storage: str, source: str) -> int:
        """Delete all that was drawn of a source; return how many."""
        try:
            return self._shelf.delete_under(_directory_of(storage, source))
        except Exception as failure:
            _warn("deleted", source, failure)
            return 0


def name_of(storage: str, source: str, edition: str, spec: str) -> str:
    """Name the derived file of a source: the edition is its version, or its fingerprint."""
    return f"{_directory_of(storage, source)}/{key_of(edition, spec)}"


def _directory_of(storage: str, source: str) -> str:
    return f"{DIRECTORY}/{key_of(storage, source)}"


def _warn(done: str, name: str, failure: Exception) -> None:
    logger.warning("derived file %s could not be %s: %r", name, done, failure)


def derived_of(alias: str) -> Derived:
    """Return the derived storage of an alias in ``STORAGES``."""
    storage = storages[alias]
    if hasattr(storage, "bucket_name") and hasattr(storage, "connection"):
        from nothing_shared.thumbnails.s3 import S3Derived

        return Derived(S3Derived(storage))
    return Derived(AnyShelf(storage))


class AnyShelf:
    """Any storage, through Django's own interface."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def get(self, name: str) -> bytes | None:
        try:
            with self._storage.open(name, "rb") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes, content_type: str) -> None:
        if isinstance(self._storage, FileSystemStorage):
            # Never half there, even if this process is killed meanwhile; the last of two writers wins.
            from nothing_shared.thumbnails.disk import write_whole

            write_whole(self._storage.path(name), data)
            return
        kept = self._storage.save(name, ContentFile(data))
        if kept == name:
            return
        self._storage.delete(kept)
        if not whole_picture(self.get(name) or b""):  # else another node was faster
            self._storage.delete(name)
            self._storage.save(name, ContentFile(data))

    def delete_under(self, prefix: str) -> int:
        try:
            _, names = self._storage.listdir(prefix)
        except FileNotFoundError:
            return 0
        for name in names:
            self._storage.delete(f"{prefix}/{name}")
        return len(names)
