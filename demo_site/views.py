"""The pages. None of them knows that it is cached: the templates say which parts are."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.static import serve

from nothing_shared.sessions import revoke_sessions

from . import box_office
from .box_office import BadName, SoldOut
from .models import Event, User

__all__ = [
    "buy",
    "event_page",
    "health",
    "home",
    "media",
    "sign_in",
    "sign_out",
    "sign_out_everywhere",
    "user_page",
    "users",
]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "demo_site/home.html", {"events": Event.objects.all()})


@require_safe
def event_page(request: HttpRequest, event: int) -> HttpResponse:
    found = get_object_or_404(Event, pk=event)
    latest = found.tickets.select_related("buyer")[:8]
    context = {"event": found, "recent_tickets": latest}
    return render(request, "demo_site/event.html", context)


@require_POST
def buy(request: HttpRequest, event: int) -> HttpResponse:
    """Sell a ticket, and show the event again: the front port may well ask another node."""
    try:
        sale = box_office.sell(event, _buyer(request))
    except Event.DoesNotExist:
        raise Http404("There is no such event.") from None
    except BadName as error:
        messages.error(request, str(error))
    except SoldOut:
        messages.error(request, "Somebody was faster: this event is sold out.")
    else:
        messages.success(request, f"Ticket no. {sale.ticket} is yours. See you there!")
    return redirect("event", event)


def _buyer(request: HttpRequest) -> str:
    reader: Any = request.user
    if reader.is_authenticated:
        return str(reader.name)
    return request.POST.get("buyer", "").strip() or box_office.GUEST


@require_safe
def users(request: HttpRequest) -> HttpResponse:
    return render(request, "demo_site/users.html", {"users": User.objects.all()})


@require_safe
def user_page(request: HttpRequest, handle: str) -> HttpResponse:
    user = get_object_or_404(User, handle=handle)
    tickets = user.tickets.select_related("event")
    return render(request, "demo_site/user.html", {"user": user, "tickets": tickets})


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Become one of the users, no questions asked; who it is travels in the signed cookie."""
    target = _safe_target(request)
    if request.method == "POST":
        user = get_object_or_404(User, handle=request.POST.get("user", ""))
        login(request, cast("Any", user), settings.AUTHENTICATION_BACKENDS[0])
        return HttpResponseRedirect(target)
    return render(request, "demo_site/sign_in.html", {"users": User.objects.all(), "next": target})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("home")


@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End this reader's sessions in all browsers, whichever nodes serve them."""
    if request.user.is_authenticated:
        revoke_sessions(request.user)
        messages.success(request, "You are signed out, here and in every other browser.")
    logout(request)
    return redirect("home")


def _safe_target(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or "/"
    own = {request.get_host()}
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=own) else "/"


@require_safe
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """Serve a picture; its name contains a digest of it, so it may be kept for ever."""
    response = serve(request, path, document_root=str(settings.MEDIA_ROOT))
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")
