"""The files of L2: LMDB's, where the records are, and the hints at them."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import lmdb

from nothing_shared.cache.hints import MAIN, SEQUENCE, TAG_SHIFT, WORD_SHIFT, Hints

if TYPE_CHECKING:
    from lmdb import _Database

    Transaction = lmdb.Transaction[bytes]

__all__ = ["Records", "identity_of", "key_of", "open_records", "remove_records"]

LONGEST_PART = 8
LONGEST_NAME = 490
HASHED = b"\xfe"
CONTINUED = b"\xff"
"""No name holds these bytes: none is valid in UTF-8."""

SEQUENCE_BYTES = 6
MOST_PARTS = 2**16 - 1
PAGE_HEADER = 24
MOST_READERS = 1024
LOCK_BYTES = 64 * (MOST_READERS + 8)


def key_of(name: str) -> bytes:
    """Return a name as bytes that fit a key of LMDB; a long one as its hash."""
    try:
        key = name.encode()
    except UnicodeEncodeError:
        key = name.encode("utf-8", "surrogatepass")
    return key if len(key) <= LONGEST_NAME else HASHED + blake2b(key, digest_size=16).digest()


def database_key(word: int, key: bytes) -> bytes:
    return (word & SEQUENCE).to_bytes(SEQUENCE_BYTES, "big") + key


class Records:
    """An open pair of files. A record's key is its number in its queue, then its name.

    So both queues grow at their ends, pages fill up, and the head of a queue is its oldest record.
    Long records are cut into parts, so that no long runs of free pages are needed: of a few pages,
    or of one where even those are hard to find. A part of just that length is followed by another.
    """

    def __init__(
        self, env: lmdb.Environment, hints: Hints, identity: tuple[int, int], longest: int
    ) -> None:
        self.env = env
        self.hints = hints
        self.identity = identity
        self.small: _Database = env.open_db(b"small")
        self.main: _Database = env.open_db(b"main")
        self.page = env.stat()["psize"]
        self.parts = (4 * self.page - PAGE_HEADER, self.page - PAGE_HEADER)
        self.pages = env.info()["map_size"] // self.page
        self.longest = min(longest, MOST_PARTS * self.parts[-1])

    def get(self, name: str) -> bytes | None:
        """Return a name's record and count the visit; wait for nobody."""
        key = key_of(name)
        checksum = crc32(key)
        hints = self.hints
        places, tag = hints.places, checksum >> TAG_SHIFT
        first = (checksum & hints.mask) << 1
        for place in (first, first + 1):
            word = places[place]
            if word >> WORD_SHIFT == tag and word:
                database = self.main if word & MAIN else self.small
                full_key = (word & SEQUENCE).to_bytes(SEQUENCE_BYTES, "big") + key
                record = self.env.begin().get(full_key, None, database)
                if record is not None and len(record) in self.parts:
                    record = self.read(self.env.begin(buffers=True), word, key)
                if record is not None:
                    hints.visit(place)
                    return record
        return None

    def find(self, txn: Transaction, key: bytes) -> tuple[int, int, bool] | None:
        """Return a record's place among the hints, its word, and whether it is in parts."""
        for place, word in self.hints.matching(crc32(key)):
            database = self.main if word & MAIN else self.small
            part = txn.get(database_key(word, key), None, database)
            if part is not None:
                return place, word, len(part) in self.parts
        return None

    def forget(self, name: str) -> bool:
        """Make a name's record unreachable, whatever the state of the files; False if it was."""
        return self.hints.forget(crc32(key_of(name)))

    def read(
        self, txn: Transaction | lmdb.Transaction[memoryview], word: int, key: bytes
    ) -> bytes | None:
        """Return the record to which a word hints, copied once; None if it isn't there."""
        full_key = database_key(word, key)
        database = self.main if word & MAIN else self.small
        part = txn.get(full_key, None, database)
        if part is None or len(part) not in self.parts:
            return None if part is None else bytes(part)
        parts = [part]
        while len(part) in self.parts:
            part = txn.get(_part_key(full_key, len(parts)), None, database)
            if part is None:
                return None
            parts.append(part)
        return b"".join(parts)

    def write(
        self, txn: Transaction, word: int, key: bytes, record: bytes, *, append: bool = False
    ) -> int:
        """Append a record, or replace the one of this word and key; return the number of parts."""
        full_key = database_key(word, key)
        database = self.main if word & MAIN else self.small
        length = self.parts[1] if self.hints.is_fragmented else self.parts[0]
        parts = [record[start : start + length] for start in range(0, len(record), length)]
        if not parts or len(parts[-1]) in self.parts:
            parts.append(b"")
        for number, part in enumerate(parts):
            txn.put(_part_key(full_key, number), part, append=append, db=database)
        return len(parts)

    def erase(self, txn: Transaction, word: int, key: bytes, *, first: int = 0) -> bool:
        """Delete a record, from its ``first`` part on; say whether there was any."""
        full_key = database_key(word, key)
        database = self.main if word & MAIN else self.small
        number = first
        while txn.delete(_part_key(full_key, number), db=database):
            number += 1
        return number > first

    def used(self, txn: Transaction, database: _Database) -> int:
        """Return the pages of a queue."""
        stat = txn.stat(database)
        return stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]

    def used_bytes(self) -> int:
        txn: Transaction = self.env.begin()
        return self.page * (self.used(txn, self.small) + self.used(txn, self.main))


def _part_key(full_key: bytes, number: int) -> bytes:
    return full_key + CONTINUED + number.to_bytes(2, "big") if number else full_key


def _files(path: Path) -> tuple[Path, Path, Path]:
    return path, path.with_name(f"{path.name}-lock"), path.with_name(f"{path.name}-hints")


def remove_records(path: Path) -> None:
    """Remove the files; who has them open keeps them. Never truncate one: that kills its readers."""
    for file in _files(path):
        file.unlink(missing_ok=True)


def open_records(path: Path, max_bytes: int, boot: str) -> Records:
    """Open the files, or new ones where they are missing, damaged, or of another boot.

    Call under the machine's lock. Raise ``OSError`` or ``lmdb.Error`` where even new ones can't be.
    """
    try:
        return _open(path, max_bytes, boot)
    except (ValueError, FileNotFoundError):
        pass
    except lmdb.Error as failure:
        if failure.code > 0:  # an errno: no fault of the files
            raise
    remove_records(path)
    _create(path, max_bytes, boot)
    return _open(path, max_bytes, boot)


def _create(path: Path, max_bytes: int, boot: str) -> None:
    _, lock, hints = _files(path)
    # LMDB takes its lock file as long as it is; made sparse by LMDB, a full disk is a SIGBUS.
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, LOCK_BYTES)
    finally:
        os.close(fd)
    path.touch(0o600, exist_ok=False)
    Hints.create(hints, max_bytes, boot)


def _open(path: Path, max_bytes: int, boot: str) -> Records:
    _, lock, hints_path = _files(path)
    lock.stat()
    identity = identity_of(path)
    hints = Hints(hints_path, max_bytes, boot)
    map_size = (max_bytes - Hints.size(max_bytes) - LOCK_BYTES) // 65536 * 65536
    env = lmdb.open(
        str(path),
        map_size=map_size,
        subdir=False,
        mode=0o600,
        # Nothing outlives a boot, and a killed process loses nothing that was written.
        sync=False,
        metasync=False,
        readahead=False,
        meminit=False,
        max_readers=MOST_READERS,
        max_dbs=2,
        max_spare_txns=1,
    )
    info = env.info()
    page = env.stat()["psize"]
    if info["map_size"] > map_size or (info["last_pgno"] + 1) * page > path.stat().st_size:
        raise ValueError(f"{path} is truncated, or larger than {max_bytes} bytes")
    return Records(env, hints, identity, max_bytes // LONGEST_PART)


def identity_of(path: Path | str) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino
