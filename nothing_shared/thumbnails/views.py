from __future__ import annotations

import asyncio

from django.http import HttpRequest, HttpResponse

from nothing_shared.thumbnails import answers, workshop
from nothing_shared.thumbnails.answers import Lost
from nothing_shared.thumbnails.conf import thumbnail_settings
from nothing_shared.thumbnails.errors import ThumbnailError
from nothing_shared.thumbnails.orders import Order
from nothing_shared.thumbnails.origins import StorageUnavailable
from nothing_shared.thumbnails.promises import BrokenPromise
from nothing_shared.thumbnails.specs import BadSpec

__all__ = ["athumbnail", "thumbnail"]

LOST = StorageUnavailable("what was drawn is deleted as fast as it is drawn.")


def thumbnail(request: HttpRequest, path: str) -> HttpResponse:
    """Serve a thumbnail, and draw it first if it isn't there."""
    refused = answers.not_allowed(request)
    if refused is not None:
        return refused
    options, order = thumbnail_settings(), None
    try:
        order = answers.read_order(request, path, options)
        shop = workshop.current(options)
        for _ in range(3):
            try:
                return answers.send(request, order, shop.get(order), shop)
            except Lost:
                continue
        raise LOST
    except (BrokenPromise, BadSpec, ThumbnailError) as failure:
        return answers.refuse(request, failure, options, order)


async def athumbnail(request: HttpRequest, path: str) -> HttpResponse:
    """Do as :func:`thumbnail` for sites under ASGI; nothing slow runs on the event loop."""
    refused = answers.not_allowed(request)
    if refused is not None:
        return refused
    options = thumbnail_settings()
    order: Order | None = None
    try:
        order = answers.read_order(request, path, options)
        shop = workshop.current(options)
        for _ in range(3):
            try:
                return answers.send(request, order, await shop.aget(order), shop)
            except Lost:
                continue
        raise LOST
    except (BrokenPromise, BadSpec, ThumbnailError) as failure:
        return await asyncio.to_thread(answers.refuse, request, failure, options, order)
