"""From a request to an answer: what sync and async views and the middleware have in common."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from whitenoise.responders import MissingFileError

from nothing_shared.thumbnails.conf import ThumbnailSettings, limits_of
from nothing_shared.thumbnails.drawing import draw
from nothing_shared.thumbnails.entries import Entry
from nothing_shared.thumbnails.errors import ThumbnailError
from nothing_shared.thumbnails.linking import promise_signer
from nothing_shared.thumbnails.orders import Order
from nothing_shared.thumbnails.promises import ForgedPromise, Promise
from nothing_shared.thumbnails.sending import POLICY, DrawnFile, headers_of, is_plain, opened
from nothing_shared.thumbnails.specs import Spec
from nothing_shared.thumbnails.workshop import Picture, Workshop

__all__ = ["Lost", "not_allowed", "read_order", "refuse", "send"]

logger = logging.getLogger("nothing_shared.thumbnails")

RETRY_AFTER = "1"
MOST_FILES = 4096


class Lost(Exception):
    """The file of a thumbnail was deleted behind our back, or cut off."""


def read_order(request: HttpRequest, path: str, options: ThumbnailSettings) -> Order:
    """Return what a request wants; raise :class:`BrokenPromise` or :class:`BadSpec`."""
    promise = Promise.read(path, promise_signer(options))
    return Order.of(
        promise,
        request.headers.get("Accept", ""),
        formats=options.formats,
        hashed=options.hashed_names,
    )


def send(request: HttpRequest, order: Order, picture: Picture, workshop: Workshop) -> HttpResponse:
    """Answer with a thumbnail; raise :class:`Lost` if its file is not there, or not whole."""
    options, entry = workshop.options, picture.entry
    headers = headers_of(
        entry,
        is_fixed=order.is_fixed,
        is_negotiated=order.is_negotiated,
        max_age=options.max_age,
    )
    if picture.data is not None:
        return HttpResponse(picture.data, headers=headers)
    if options.accel_header:
        return _handed_over(request, workshop, order, picture, headers)
    if request.method == "GET" and is_plain(request.META):
        data = workshop.disk.read(order.key, entry)
        if data is None:
            raise Lost
        return HttpResponse(data, headers={**headers, "Content-Length": entry.size})
    return _sent(request, _file(workshop, order, picture, headers), workshop, order, entry)


def _sent(
    request: HttpRequest, file: DrawnFile, workshop: Workshop, order: Order, entry: Entry
) -> HttpResponse:
    """Answer on conditions, or with a part."""
    try:
        said = file.get_response(request.method or "GET", request.META)
    except OSError as failure:
        workshop.disk.forget(order.key, entry)
        raise Lost from failure
    body = b""
    if said.file is not None:
        with said.file:
            if not workshop.disk.note_use(opened(said).fileno(), entry):
                workshop.disk.forget(order.key, entry)
                raise Lost
            body = said.file.read()
    response = HttpResponse(body, status=said.status, headers=dict(said.headers))
    if said.status == HTTPStatus.NOT_MODIFIED:
        del response["Content-Type"]  # Django's guess
    return response


_files: dict[str, tuple[Any, DrawnFile]] = {}


def _file(
    workshop: Workshop, order: Order, picture: Picture, headers: Mapping[str, str]
) -> DrawnFile:
    """Return the responder of a thumbnail, made once for each entry in each process."""
    path = workshop.disk.path(order.key, picture.entry)
    mark = (picture.entry.etag, headers["Cache-Control"], order.is_negotiated)
    known = _files.get(path)
    if known is not None and known[0] == mark:
        return known[1]
    try:
        file = DrawnFile(path, headers)
    except (MissingFileError, OSError) as failure:
        workshop.disk.forget(order.key, picture.entry)
        raise Lost from failure
    if len(_files) >= MOST_FILES:
        _files.clear()
    _files[path] = (mark, file)
    return file


def _handed_over(
    request: HttpRequest,
    workshop: Workshop,
    order: Order,
    picture: Picture,
    headers: Mapping[str, str],
) -> HttpResponse:
    """Tell the web server which file to send; it adds length and ranges by itself."""
    options, disk = workshop.options, workshop.disk
    file = _file(workshop, order, picture, headers)
    if file.is_not_modified(request.META):
        return _sent(request, file, workshop, order, picture.entry)
    path = disk.path(order.key, picture.entry)
    if disk.read(order.key, picture.entry, size=0) is None:
        raise Lost
    if options.accel_header == "X-Accel-Redirect":
        path = options.accel_prefix + os.path.relpath(path, disk.directory)
    return HttpResponse(headers={**headers, options.accel_header: path})


def refuse(
    request: HttpRequest, failure: Exception, options: ThumbnailSettings, order: Order | None
) -> HttpResponse:
    """Answer with why there is no thumbnail, or with the placeholder of the site."""
    status, retry = 404, False
    if isinstance(failure, ForgedPromise):
        status = 403
    elif isinstance(failure, ThumbnailError):
        status, retry = failure.status, failure.may_retry
    is_lasting = not retry and order is not None
    headers = {
        "Cache-Control": f"max-age={int(options.refusal_seconds)}" if is_lasting else "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": POLICY,
    }
    headers |= {"Retry-After": RETRY_AFTER} if retry else {}
    instead = _placeholder(order.spec, options) if order is not None and not retry else None
    if instead is not None:
        return HttpResponse(
            instead[0], status=status, headers=headers | {"Content-Type": instead[1]}
        )
    text = f"No thumbnail: {failure}\n"
    return HttpResponse(
        text, status=status, content_type="text/plain; charset=utf-8", headers=headers
    )


_placeholders: dict[tuple[Path, str], tuple[bytes, str]] = {}


def _placeholder(spec: Spec, options: ThumbnailSettings) -> tuple[bytes, str] | None:
    """Return the site's own picture drawn as the thumbnail would have been, and its type."""
    if options.placeholder is None:
        return None
    known = _placeholders.get((options.placeholder, spec.text))
    if known is None:
        try:
            drawn = draw(options.placeholder.read_bytes(), spec, limits_of(options))
        except (OSError, ThumbnailError):
            logger.exception("the placeholder %s can't be drawn", options.placeholder)
            return None
        known = (drawn.data, drawn.content_type)
        if len(_placeholders) < 256:
            _placeholders[options.placeholder, spec.text] = known
    return known


def not_allowed(request: HttpRequest) -> HttpResponse | None:
    allowed = ("GET", "HEAD")
    return None if request.method in allowed else HttpResponseNotAllowed(allowed)
