"""The thumbnails on a node's own disk: bounded in bytes, whole or not there, used least given up first.

Each thumbnail is a plain file, which a web server can send by itself, and a small record beside it,
written after the file and read before it. Nothing is ever changed in place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from nothing_shared.locks import LockTimeout, MachineLock
from nothing_shared.thumbnails.entries import Entry

__all__ = ["Disk", "Usage", "write_whole"]

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

BLOCK = 4096
LONGEST_RECORD = 64 * 1024
LEFT_AFTER_TRIM = 0.9
"""Of the bound: a trim looks at every file, so it makes room for a while."""

USED_AGAIN = 60.0
"""Seconds after which a use is noted again, as the file's time of modification."""

ABANDONED = 600.0
"""Seconds after which a draft is taken for one whose writer was killed."""


@dataclass(frozen=True)
class Usage:
    """What a disk holds."""

    thumbnails: int
    records: int
    bytes: int


class Disk:
    """A directory of thumbnails that the workers of one machine share; made at first use.

    No method raises for a directory that is full, read-only or gone: then nothing is kept. ``is_open``
    lets other users read it, as a web server that sends the files may have to.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int,
        is_open: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self.max_bytes = max_bytes
        self.mode = 0o644 if is_open else 0o600
        self.clock = clock
        self._prefix = os.fspath(directory)
        self._lock = MachineLock(directory / "used.lock")

    def find(self, key: str) -> Entry | None:
        """Return what is known under a key, fresh or not."""
        try:
            fd = os.open(self._record(key), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return Entry.decode(os.read(fd, LONGEST_RECORD))
        except OSError:
            return None
        finally:
            os.close(fd)

    def path(self, key: str, entry: Entry) -> str:
        return f"{self._prefix}/{key[:2]}/{entry.file}"

    def is_whole(self, key: str, entry: Entry) -> bool:
        """Say whether the file of an entry is there in its full length."""
        try:
            return os.stat(self.path(key, entry)).st_size == entry.size
        except OSError:
            return False

    def read(self, key: str, entry: Entry, size: int | None = None) -> bytes | None:
        """Return a thumbnail, or its first bytes; None, and forgotten, if it is not whole any more."""
        try:
            fd = os.open(self.path(key, entry), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self.forget(key, entry)
            return None
        try:
            if self.note_use(fd, entry):
                return os.read(fd, entry.size if size is None else size)
        finally:
            os.close(fd)
        self.forget(key, entry)
        return None

    def note_use(self, fd: int, entry: Entry) -> bool:
        """Note that an open file is used; False if it is not the whole one."""
        status = os.fstat(fd)
        now = self.clock()
        if now - status.st_mtime > USED_AGAIN:
            with contextlib.suppress(OSError):
                os.utime(fd, (now, now))
        return status.st_size == entry.size

    def put(self, key: str, entry: Entry, data: bytes = b"") -> bool:
        """Keep a thumbnail, or a refusal, in the place of what the key had; False if it can't be."""
        old, record = self.find(key), entry.encode()
        try:
            if data:
                self._reserve(self.path(key, entry), len(data)).finish(data)
                write_whole(self._record(key), record, mode=self.mode)
            else:
                self._reserve(self._record(key), len(record)).finish(record)
        except (OSError, LockTimeout):
            return False
        if old is not None and old.file not in ("", entry.file):
            with contextlib.suppress(OSError):
                os.unlink(self.path(key, old))
        return True

    def renew(self, key: str, entry: Entry) -> None:
        """Replace the record of a thumbnail that stays as it is."""
        with contextlib.suppress(OSError):
            write_whole(self._record(key), entry.encode(), mode=self.mode)

    def forget(self, key: str, entry: Entry | None = None) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._record(key))
        if entry is not None and entry.file:
            with contextlib.suppress(OSError):
                os.unlink(self.path(key, entry))

    def trim(self, to: float = 1.0) -> Usage:
        """Give up what was used least recently until no more than this part of the bound is left."""
        with self._lock.held(timeout=10):
            return self._trim(int(self.max_bytes * to))

    def clear(self) -> Usage:
        """Delete everything; return what was there."""
        usage = self.usage()
        with self._lock.held(timeout=10):
            self._trim(0)
        return usage

    def usage(self) -> Usage:
        return _usage(self._groups().values())

    def _record(self, key: str) -> str:
        return f"{self._prefix}/{key[:2]}/{key}.json"

    def _reserve(self, path: str, length: int) -> _Draft:
        """Make room for a file and its record, which the next trim counts by the draft's name."""
        size = _blocks(length) + BLOCK
        if size > self.max_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        os.makedirs(self._prefix, mode=_of_directories(self.mode), exist_ok=True)
        with self._lock.held():
            used = self._used()
            if used + size > self.max_bytes:
                used = self._trim(int((self.max_bytes - size) * LEFT_AFTER_TRIM)).bytes
            if used + size > self.max_bytes:  # others are about to write it full
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self._note_used(used + size)
            return _Draft(path, self.mode, length)

    def _used(self) -> int:
        try:
            return int(Path(self._prefix, "used").read_bytes())
        except (OSError, ValueError):  # there is none, or who wrote it was killed
            return self.usage().bytes

    def _note_used(self, used: int) -> None:
        Path(self._prefix, "used").write_bytes(b"%d" % used)

    def _trim(self, most: int) -> Usage:
        """Delete under the lock, a thumbnail together with its record."""
        groups = self._groups()
        used = _usage(groups.values()).bytes
        for key in sorted(groups, key=lambda key: groups[key].used_at):
            group = groups[key]
            is_abandoned = self.clock() - group.used_at > ABANDONED
            if not is_abandoned if group.is_draft else used <= most:
                continue
            for path in group.paths:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            used -= groups.pop(key).bytes
        with contextlib.suppress(OSError):
            self._note_used(used)
        return _usage(groups.values())

    def _groups(self) -> dict[str, _Group]:
        """Collect the files of each key; a draft is by itself."""
        groups: dict[str, _Group] = {}
        for shelf in _names(self._prefix):
            if len(shelf) != 2:
                continue
            with contextlib.suppress(OSError), os.scandir(f"{self._prefix}/{shelf}") as found:
                for file in found:
                    is_draft = file.name.endswith(".new")
                    key = file.name if is_draft else file.name.partition(".")[0]
                    try:
                        status = file.stat(follow_symlinks=False)
                        size, used_at = status.st_size, status.st_mtime
                    except OSError:
                        if not is_draft:
                            continue
                        size, used_at = 0, self.clock()  # it has moved into place, this moment
                    groups.setdefault(key, _Group(is_draft)).add(file.path, size, used_at)
        return groups


@dataclass(slots=True)
class _Group:
    """The files of one key."""

    is_draft: bool
    paths: list[str] = field(default_factory=list)
    bytes: int = BLOCK
    """What it takes with its record, which is written last."""
    used_at: float = 0.0

    def add(self, path: str, size: int, used_at: float) -> None:
        self.paths.append(path)
        self.used_at = max(self.used_at, used_at)
        told = path.removesuffix(".new").rpartition(".")[2]
        to_be = int(told) if self.is_draft and told.isdecimal() else 0
        if self.is_draft and ".json." in path and not to_be:  # it is counted with its thumbnail
            self.bytes = 0
        else:
            self.bytes += _blocks(max(size, to_be)) - (BLOCK if path.endswith(".json") else 0)

    @property
    def is_thumbnail(self) -> bool:
        return any(not path.endswith((".json", ".new")) for path in self.paths)


def _usage(groups: Collection[_Group]) -> Usage:
    whole = [group for group in groups if not group.is_draft]
    thumbnails = sum(group.is_thumbnail for group in whole)
    return Usage(thumbnails, len(whole) - thumbnails, sum(group.bytes for group in groups))


def write_whole(path: str, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file under a name of its own, then move it into place; make its directory if need be."""
    _Draft(path, mode).finish(data)


class _Draft:
    """A file under a name of its own, which says how long it is to be, until it is whole.

    Were its length set first, a power cut could leave it there in full, of zeros.
    """

    def __init__(self, path: str, mode: int, length: int = 0) -> None:
        self._path = path
        self._name = f"{path}.{os.getpid()}-{secrets.token_hex(4)}.{length}.new"
        try:
            self._fd = os.open(self._name, FLAGS, mode)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=_of_directories(mode), exist_ok=True)
            self._fd = os.open(self._name, FLAGS, mode)

    def finish(self, data: bytes) -> None:
        """Write, and move into place."""
        try:
            with open(self._fd, "wb") as file:
                file.write(data)
            os.rename(self._name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._name)
            raise


def _of_directories(mode: int) -> int:
    """Return the mode of a directory whose files have this one: who may read them may enter it."""
    return mode | (mode & 0o444) >> 2


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _blocks(size: int) -> int:
    """What a file takes on a disk."""
    return -(-size // BLOCK) * BLOCK
