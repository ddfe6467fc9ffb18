"""A thumbnail as an HTTP answer: conditions, ranges and headers, by whitenoise's responder.

Three things it leaves out are added: lists and weak tags in ``If-None-Match``, ``If-Range``, and a range
of one byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from whitenoise.responders import Response, SlicedFile, StaticFile

from nothing_shared.thumbnails.entries import Entry

__all__ = ["POLICY", "DrawnFile", "headers_of", "is_plain", "opened"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What a browser may do with a thumbnail that is opened by itself: show it (it might be an SVG)."""

CONDITIONS = frozenset({"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE"})
FOR_EVER = "public, max-age=31536000, immutable"


@lru_cache(maxsize=4096)
def headers_of(
    entry: Entry, *, is_fixed: bool, is_negotiated: bool, max_age: int
) -> Mapping[str, str]:
    """Return all headers of a thumbnail but its length."""
    lasting = FOR_EVER if is_fixed else f"public, max-age={max_age}, must-revalidate"
    headers = {
        "Content-Type": entry.content_type,
        "Cache-Control": lasting,
        "ETag": f'"{entry.etag}"',
        "Last-Modified": formatdate(entry.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": POLICY,
    }
    return MappingProxyType(headers | ({"Vary": "Accept"} if is_negotiated else {}))


class DrawnFile(StaticFile):  # type: ignore[misc]
    """One thumbnail on this node's disk; raises whitenoise's ``MissingFileError`` if it is gone."""

    def __init__(self, path: str, headers: Mapping[str, str]) -> None:
        super().__init__(path, list(headers.items()))
        self.modified_at = headers["Last-Modified"]

    def is_not_modified(self, request_headers: Mapping[str, Any]) -> bool:
        known = request_headers.get("HTTP_IF_NONE_MATCH")
        if known is None:
            return bool(super().is_not_modified(request_headers))
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        return "*" in tags or self.etag in tags

    def get_response(self, method: str, request_headers: Mapping[str, Any]) -> Response:
        condition = request_headers.get("HTTP_IF_RANGE")
        if condition and condition not in (self.etag, self.modified_at):
            request_headers = {**request_headers, "HTTP_RANGE": ""}
        return super().get_response(method, request_headers)

    def get_range_response(
        self, range_header: str, base_headers: Any, file_handle: Any
    ) -> Response:
        size = int(dict(base_headers)["Content-Length"])
        start, end = self.get_byte_range(range_header, size)
        if start > end or start >= size:
            return self.get_range_not_satisfiable_response(file_handle, size)
        headers = [item for item in base_headers if item[0] != "Content-Length"]
        headers.append(("Content-Range", f"bytes {start}-{end}/{size}"))
        headers.append(("Content-Length", str(end - start + 1)))
        part = SlicedFile(file_handle, start, end) if file_handle is not None else None
        return Response(HTTPStatus.PARTIAL_CONTENT, headers, part)


def is_plain(request_headers: Mapping[str, Any]) -> bool:
    """Say whether a GET asks for the whole file, whatever the client has."""
    return CONDITIONS.isdisjoint(request_headers)


def opened(response: Response) -> Any:
    """Return the file itself that a response reads from."""
    return response.file.fileobj if isinstance(response.file, SlicedFile) else response.file
