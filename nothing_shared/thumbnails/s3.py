"""Originals and derived files in S3, through django-storages' own client: one request each.

A ``storage.open().read()`` asks twice, and tells nothing that identifies what it read.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from storages.backends.s3 import S3Storage as AnyS3Storage

from nothing_shared.thumbnails.errors import PictureTooLarge, SourceMissing
from nothing_shared.thumbnails.origins import StorageUnavailable, read_within
from nothing_shared.thumbnails.storages import AnnouncesChanges

__all__ = ["S3Derived", "S3Origin", "S3Storage"]

MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
PATIENCE = Config(
    connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"}
)
"""Instead of botocore's minute: a request waits for the answer."""


class S3Storage(AnnouncesChanges, AnyS3Storage):  # type: ignore[misc]
    """django-storages' own, which says when a file changes, and gives up on a server that is silent.

    ``client_config`` and ``AWS_S3_CLIENT_CONFIG`` have the last word on time-outs.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.client_config: Any = PATIENCE.merge(self.client_config)


_clients: weakref.WeakKeyDictionary[Any, tuple[int, Any]] = weakref.WeakKeyDictionary()


def _client_of(storage: Any) -> Any:
    """Return the client of a storage: one for all threads of a process, since to make one is slow."""
    known = _clients.get(storage)
    if known is None or known[0] != os.getpid():
        known = _clients[storage] = (os.getpid(), storage.connection.meta.client)
    return known[1]


class _Bucket:
    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self._client = _client_of(storage)

    def _where(self, name: str) -> dict[str, str]:
        key = self._storage._normalize_name(name)
        return {"Bucket": self._storage.bucket_name, "Key": key}


class S3Origin(_Bucket):
    """A bucket of originals; the fingerprint is S3's own ETag."""

    def fingerprint(self, name: str) -> str:
        with _told(name):
            return str(self._client.head_object(**self._where(name))["ETag"]).strip('"')

    def read(self, name: str, limit: int) -> tuple[bytes, str]:
        with _told(name):
            answer = self._client.get_object(**self._where(name))
            with answer["Body"] as body:
                if answer["ContentLength"] > limit:
                    raise PictureTooLarge(f"the source has more than {limit} bytes.")
                return read_within(limit, body), str(answer["ETag"]).strip('"')


class S3Derived(_Bucket):
    """A bucket of derived files."""

    def get(self, name: str) -> bytes | None:
        try:
            with _told(name):
                answer = self._client.get_object(**self._where(name))
                with answer["Body"] as body:
                    return bytes(body.read())
        except SourceMissing:
            return None

    def put(self, name: str, data: bytes, content_type: str) -> None:
        with _told(name):
            self._client.put_object(
                **self._where(name),
                Body=data,
                ContentType=content_type,
                CacheControl="public, max-age=31536000, immutable",
            )

    def delete_under(self, prefix: str) -> int:
        where = self._where(f"{prefix}/x")
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=where["Bucket"], Prefix=where["Key"][:-1]
        )
        gone = 0
        with _told(prefix):
            for page in pages:
                for found in page.get("Contents", ()):
                    self._client.delete_object(Bucket=where["Bucket"], Key=found["Key"])
                    gone += 1
        return gone


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as failure:
        code = str(failure.response.get("Error", {}).get("Code"))
        if code in MISSING:
            raise SourceMissing(f"there is no object {name!r}.") from failure
        raise StorageUnavailable(f"S3 refused: {code}") from failure
    except (BotoCoreError, HTTPClientError, OSError, ValueError) as failure:
        raise StorageUnavailable(f"S3 does not answer: {failure!r}") from failure
