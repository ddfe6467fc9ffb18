"""The same site for programs: JSON in, JSON out, and the tier that each answer came from."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from nothing_shared.cache import cached

from . import box_office
from .box_office import BadName, SoldOut
from .models import Event

__all__ = ["buy", "event", "events"]


class BadBody(ValueError):
    """The body of the request can't be read; the message says why."""


@cached(600, key="api:events")
def all_facts() -> list[dict[str, object]]:
    """Depends on the table of events at large: a ticket for any of them forgets it."""
    rows = Event.objects.values("id", "title", "venue", "price", "capacity", "sold")
    return [dict(row) for row in rows]


@cached(600, key=lambda event: f"api:event:{event}")
def facts(event: int) -> dict[str, object]:
    """Depends on one row: only a ticket for this very event forgets it."""
    return dict(Event.objects.values("id", "title", "sold").get(pk=event))


@csrf_exempt
@require_safe
def events(request: HttpRequest) -> HttpResponse:
    listed = all_facts()
    return JsonResponse({"events": listed, "tier": _tier(request)})


@csrf_exempt
@require_safe
def event(request: HttpRequest, event: int) -> HttpResponse:
    try:
        found = facts(event)
    except Event.DoesNotExist:
        return _refusal(404, "There is no such event.")
    return JsonResponse({**found, "tier": _tier(request)})


@csrf_exempt
@require_POST
def buy(request: HttpRequest, event: int) -> HttpResponse:
    """Sell a ticket to the ``buyer`` that the body names, if it names one."""
    try:
        sale = box_office.sell(event, _buyer(request))
    except (BadBody, BadName) as error:
        return _refusal(400, str(error))
    except Event.DoesNotExist:
        return _refusal(404, "There is no such event.")
    except SoldOut:
        return _refusal(409, "This event is sold out.")
    return JsonResponse({"ticket": sale.ticket, "sold": sale.sold}, status=201)


def _tier(request: HttpRequest) -> str:
    tier: str = request.outcomes[-1].tier  # type: ignore[attr-defined]
    return tier


def _refusal(status: int, why: str) -> HttpResponse:
    return JsonResponse({"error": why}, status=status)


def _buyer(request: HttpRequest) -> str:
    is_json = request.content_type == "application/json"
    given = _json(request.body) if is_json else request.POST.get("buyer", "")
    if not isinstance(given, str):
        raise BadBody("The buyer is a text.")
    return given or box_office.GUEST


def _json(body: bytes) -> object:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise BadBody("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise BadBody("The body is not a JSON object.")
    return given.get("buyer", "")
