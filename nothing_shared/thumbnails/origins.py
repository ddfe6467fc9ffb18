"""Where originals are: read whole and within a bound, with word of which original it was.

That word, the *fingerprint*, changes whenever the file does: what is drawn is filed under it. It is taken
from the same answer as the bytes where the storage allows that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.storage.handler import InvalidStorageError

from nothing_shared.thumbnails.errors import PictureTooLarge, SourceMissing, ThumbnailError

__all__ = ["Origin", "StorageUnavailable", "origin_of"]

CHUNK = 256 * 1024


class StorageUnavailable(ThumbnailError):
    """The storage did not answer, or not in time."""

    status = 503
    may_retry = True


class Origin(Protocol):
    """A storage of originals, as it is read from.

    Both raise ``SourceMissing`` if there is no such file, and :class:`StorageUnavailable`.
    """

    def fingerprint(self, name: str) -> str:
        """Say which file it is now, without reading it."""

    def read(self, name: str, limit: int) -> tuple[bytes, str]:
        """Return the file and its fingerprint; raise ``PictureTooLarge`` beyond ``limit`` bytes."""


def origin_of(alias: str) -> Origin:
    """Return the origin behind a storage's alias; raise ``SourceMissing`` if there is none such."""
    try:
        storage = storages[alias]
    except InvalidStorageError as failure:
        raise SourceMissing(f"there is no storage {alias!r}.") from failure
    if isinstance(storage, FileSystemStorage):
        return FileOrigin(storage)
    if hasattr(storage, "bucket_name") and hasattr(storage, "connection"):
        from nothing_shared.thumbnails.s3 import S3Origin

        return S3Origin(storage)
    return AnyOrigin(storage)


class FileOrigin:
    """A directory of this machine, or one that is mounted on it."""

    def __init__(self, storage: FileSystemStorage) -> None:
        self._storage = storage

    def fingerprint(self, name: str) -> str:
        with _told(name):
            return _stated(os.stat(self._storage.path(name)))

    def read(self, name: str, limit: int) -> tuple[bytes, str]:
        with _told(name), open(self._storage.path(name), "rb") as file:
            # Before it is read: of a file that is just being written, the rest shall not be believed.
            before = _stated(os.fstat(file.fileno()))
            return read_within(limit, file), before


class AnyOrigin:
    """Any storage that tells when a file was modified, through Django's own interface."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def fingerprint(self, name: str) -> str:
        with _told(name):
            try:
                return f"{self._storage.get_modified_time(name).timestamp()}-{self._storage.size(name)}"
            except NotImplementedError:
                return self._digest(name)

    def read(self, name: str, limit: int) -> tuple[bytes, str]:
        before = self.fingerprint(name)
        with _told(name), self._storage.open(name, "rb") as file:
            return read_within(limit, file), before

    def _digest(self, name: str) -> str:
        from nothing_shared.thumbnails.entries import digest

        with self._storage.open(name, "rb") as file:
            return digest(file.read())


def read_within(limit: int, file: Any) -> bytes:
    """Read a file to its end, a chunk at a time; raise ``PictureTooLarge`` beyond the limit."""
    chunks, size = [], 0
    while chunk := file.read(min(CHUNK, limit + 1 - size)):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise PictureTooLarge(f"the source has more than {limit} bytes.")
    return b"".join(chunks)


def _stated(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell a missing file from a storage that is out of reach."""
    try:
        yield
    except ThumbnailError:
        raise
    except (
        FileNotFoundError,
        IsADirectoryError,
        NotADirectoryError,
        SuspiciousOperation,
    ) as failure:
        raise SourceMissing(f"there is no file {name!r}.") from failure
    except Exception as failure:  # each storage has errors of its own
        if getattr(failure, "errno", None) == 36:  # a name too long for the file system
            raise SourceMissing(f"there is no file {name!r}.") from failure
        raise StorageUnavailable(f"the storage does not answer: {failure!r}") from failure
