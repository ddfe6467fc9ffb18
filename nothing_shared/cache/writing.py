"""Exclusive sections on L2: what is read and written inside is one step to everybody else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zlib import crc32

import lmdb

from nothing_shared.cache.eviction import Eviction
from nothing_shared.cache.hints import MAIN
from nothing_shared.cache.keeper import Keeper
from nothing_shared.cache.records import Records, key_of

if TYPE_CHECKING:
    from nothing_shared.cache.records import Transaction

__all__ = ["Writing"]

NAP = 0.004


class Writing:
    """All other writers of the machine are shut out; readers see the end of it, or nothing.

    An exception in the block undoes it, except :meth:`clear`. Where the files can't be written, gets
    miss, puts return False, and afterwards none of the names put or deleted is there.
    """

    def __init__(self, keeper: Keeper, timeout: float | None) -> None:
        self._keeper = keeper
        self._timeout = timeout
        self._is_locked = False
        self._records: Records | None = None
        self._txn: Transaction | None = None
        self._names: list[str] = []
        self.has_failed = False
        self.was_full = False

    def __enter__(self) -> Self:
        try:
            self._records = self._acquire()
            if self._records is not None and not self._keeper.is_forking:
                self._records.hints.begin()
                self._txn = self._records.env.begin(write=True)
        except lmdb.Error as failure:
            self._fail(failure)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._commit()
            else:
                self._abort()
            if self.was_full:
                self._recover()
        finally:
            self._release()

    def get(self, name: str) -> bytes | None:
        """Return a record, also one put in this section."""
        if self._records is None or self._txn is None:
            return None
        key = key_of(name)
        try:
            found = self._records.find(self._txn, key)
            return None if found is None else self._records.read(self._txn, found[1], key)
        except lmdb.Error as failure:
            self._fail(failure)
            return None

    def put(self, name: str, record: bytes) -> bool:
        """Store a record; False if it is too long or can't be, and then the old one is gone."""
        records, txn = self._records, self._txn
        if records is None:
            return False
        self._names.append(name)
        if txn is None:
            records.forget(name)
            return False
        if len(record) > records.longest:
            self.delete(name)
            return False
        try:
            self._put(records, txn, key_of(name), record)
        except lmdb.Error as failure:
            self._fail(failure)
            return False
        return True

    def _put(self, records: Records, txn: Transaction, key: bytes, record: bytes) -> None:
        Eviction(records, txn).make_room(len(record) // records.page + 2)
        found = records.find(txn, key)
        if found is None:
            checksum, hints = crc32(key), records.hints
            is_missed = hints.was_evicted_lately(checksum)
            position = hints.next_sequence() | (MAIN if is_missed else 0)
            records.write(txn, position, key, record, append=True)
            hints.add(checksum, position)
            return
        _, word, was_in_parts = found
        parts = records.write(txn, word, key, record)
        if was_in_parts:
            records.erase(txn, word, key, first=parts)

    def delete(self, name: str) -> bool:
        """Remove a record; False if there is none."""
        records, txn, key = self._records, self._txn, key_of(name)
        if records is None:
            return False
        self._names.append(name)
        if txn is None:
            return records.forget(name)
        try:
            found = records.find(txn, key)
            if found is None:
                return False
            records.hints.remove(found[0])
            return records.erase(txn, found[1], key)
        except lmdb.Error as failure:
            self._fail(failure)
            return True

    def clear(self) -> None:
        """Remove all records."""
        records, txn = self._records, self._txn
        if records is None:
            return
        records.hints.forget_all()
        try:
            for database in (records.small, records.main):
                if txn is not None:
                    txn.drop(database, delete=False)
        except lmdb.Error as failure:
            self._fail(failure)

    def _acquire(self) -> Records | None:
        keeper = self._keeper
        try:
            self._lock()
            if keeper.is_current():
                return keeper.records
            if keeper.records is not None:
                # Whoever deleted the files may have deleted the lock's, too.
                self._release()
                keeper.lock.close()
                self._lock()
            return keeper.reopened()
        except OSError as failure:
            keeper.failed(None, failure)
            return None

    def _lock(self) -> None:
        self._keeper.acquire(self._timeout)
        self._is_locked = True

    def _release(self) -> None:
        if self._is_locked:
            self._is_locked = False
            self._keeper.release()

    def _commit(self) -> None:
        txn, self._txn = self._txn, None
        try:
            if txn is not None:
                txn.commit()
                self._keeper.full_times = 0
        except lmdb.Error as failure:
            self._fail(failure)

    def _abort(self) -> None:
        txn, self._txn = self._txn, None
        try:
            if self._records is not None:
                self._records.hints.undo()
            if txn is not None:
                txn.abort()
        except lmdb.Error as failure:
            self._keeper.failed(self._records, failure)

    def _fail(self, failure: lmdb.Error) -> None:
        self._abort()
        self.has_failed = True
        self.was_full = isinstance(failure, lmdb.MapFullError)
        if self._records is not None:
            for name in self._names:
                self._records.forget(name)
        self._keeper.failed(self._records, failure)

    def _recover(self) -> None:
        """Free pages for the next section: what one transaction frees is of use to the next but one."""
        records = self._keeper.records
        try:
            if records is not None:
                records.hints.is_fragmented = True
                records.env.reader_check()
                # If that didn't help before: a reader may have been off the CPU for a while.
                time.sleep(NAP * max(self._keeper.full_times - 1, 0))
                for part in (16, 8):
                    records.hints.begin()
                    with records.env.begin(write=True) as txn:
                        Eviction(records, txn).make_room(records.pages // part)
        except lmdb.Error as failure:
            self._abort()
            self._keeper.failed(records, failure)
