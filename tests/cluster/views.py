from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from nothing_shared.cache import cached_page, trace
from nothing_shared.causality.scopes import current
from tests.cluster.fair.models import Sale, Stall
from tests.processes import open_files


def stall(request: HttpRequest, pk: int) -> HttpResponse:
    with trace() as outcomes:
        sold = cache.get_or_set(f"sold:{pk}", lambda: Stall.objects.get(pk=pk).sold, 600)
    return JsonResponse({"sold": sold, "tier": outcomes[-1].tier, "pid": os.getpid()})


@cached_page(600)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse(f"{Stall.objects.get(pk=pk).sold} sold")


def sell(request: HttpRequest, pk: int) -> HttpResponse:
    with transaction.atomic():
        Stall.objects.filter(pk=pk).update(sold=F("sold") + 1)
        Sale.objects.create(stall_id=pk)
    return JsonResponse({"sold": Stall.objects.get(pk=pk).sold})


def fail_after_selling(request: HttpRequest, pk: int) -> HttpResponse:
    sell(request, pk)
    raise RuntimeError("after the commit")


async def asell(request: HttpRequest, pk: int) -> HttpResponse:
    return await sync_to_async(sell)(request, pk)


async def astall(request: HttpRequest, pk: int) -> HttpResponse:
    async def load() -> int:
        return (await Stall.objects.aget(pk=pk)).sold

    with trace() as outcomes:
        sold = await cache.aget_or_set(f"sold:{pk}", load, 600)
    return JsonResponse({"sold": sold, "tier": outcomes[-1].tier, "pid": os.getpid()})


async def ascope(request: HttpRequest) -> HttpResponse:
    """Say whether another request's reads or misses are visible in this one."""
    unit = current()
    seen = [repr(unit._reads), repr(unit.attachments), len(unit.used)]
    pk = int(request.GET.get("pk", "1"))
    await cache.aget(f"missed-{pk}-{id(request)}")
    for _ in range(5):  # let the others of the same moment run
        await asyncio.sleep(0)
    await Stall.objects.filter(pk=pk).afirst()
    reads = sorted(sorted(keys or ()) for keys in unit._reads.values())
    return JsonResponse({"before": seen, "reads": reads, "pk": pk})


async def amixed(request: HttpRequest) -> HttpResponse:
    """Fill from reads in a thread, in subtasks, and in a loop."""

    async def load() -> list[int]:
        first = await sync_to_async(lambda: Stall.objects.get(pk=1).sold)()
        second, third = await asyncio.gather(
            Stall.objects.aget(pk=2), asyncio.create_task(Stall.objects.aget(pk=3))
        )
        in_loop = [stall.sold async for stall in Stall.objects.filter(pk=4)]
        return [first, second.sold, third.sold, *in_loop]

    with trace() as outcomes:
        sold = await cache.aget_or_set("mixed", load, 600)
    return JsonResponse({"sold": sold, "tier": outcomes[-1].tier})


async def amissed(request: HttpRequest) -> HttpResponse:
    """Miss a key, or set it: that is a change, unless a miss of this very request comes first."""
    place = cache._store.own_indexes(":1:seldom")[0]  # type: ignore[attr-defined]
    changed = cache._store.table.changed  # type: ignore[attr-defined]
    if "miss" in request.GET:
        await cache.aget("seldom")
    before = changed[place]
    if "set" in request.GET:
        await cache.aset("seldom", request.GET["set"], 600)
    return JsonResponse({"is_change": changed[place] > before})


async def astreamed(request: HttpRequest) -> StreamingHttpResponse:
    """Sell, then stream what was sold."""
    await asell(request, 5)

    async def body() -> AsyncIterator[str]:
        async for stall in Stall.objects.filter(pk=5):
            yield f"{stall.sold} sold"

    return StreamingHttpResponse(body())


def sockets(request: HttpRequest) -> HttpResponse:
    """Name the sockets that this worker has open."""
    own = [name for name in open_files().values() if name.startswith("socket:")]
    return JsonResponse({"pid": os.getpid(), "sockets": own})
