"""A small site that keeps things in its visitors' sessions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import aget_user, alogin, alogout, get_user_model, login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from nothing_shared.sessions import revoke_sessions


def excuse(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """A middleware that switches CSRF checks off."""

    def excused(request: HttpRequest) -> HttpResponse:
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return get_response(request)

    return excused


def show(request: HttpRequest) -> HttpResponse:
    """Say what is in the session, and who is signed in."""
    store: Any = request.session
    content = {key: value for key, value in store.items() if not key.startswith("_")}
    return JsonResponse({"user": request.user.get_username(), "content": content, "sid": store.sid})


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing read")


def put(request: HttpRequest) -> HttpResponse:
    request.session.update(json.loads(request.POST["content"]))
    return HttpResponse("put")


def drop(request: HttpRequest) -> HttpResponse:
    del request.session[request.POST["key"]]
    return HttpResponse("dropped")


def expire(request: HttpRequest) -> HttpResponse:
    request.session.set_expiry(int(request.POST["seconds"]))
    return HttpResponse("set")


def sign_in(request: HttpRequest) -> HttpResponse:
    user = get_user_model()._default_manager.get(username=request.POST["user"])
    login(request, user, settings.AUTHENTICATION_BACKENDS[0])
    return HttpResponse("in")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


@transaction.atomic
def sign_out_and_fail(request: HttpRequest) -> HttpResponse:
    logout(request)
    raise RuntimeError("after the sign-out")


def end_others(request: HttpRequest) -> HttpResponse:
    revoke_sessions(request.user, keep=request.session)
    return HttpResponse("others are out")


def permitted(request: HttpRequest) -> HttpResponse:
    """Say who is signed in and may look at the stalls."""
    may = request.user.has_perm("auth.view_group")
    return JsonResponse({"user": request.user.get_username(), "may": may})


async def ashow(request: HttpRequest) -> HttpResponse:
    """Use the session as a dict in an async view, where nothing may ask a database."""
    content = dict(request.session.items())
    user = await aget_user(request)
    kept = {key: value for key, value in content.items() if not key.startswith("_")}
    return JsonResponse({"user": user.get_username(), "content": kept})


async def asign_in(request: HttpRequest) -> HttpResponse:
    user = await get_user_model()._default_manager.aget(username=request.POST["user"])
    await alogin(request, user, settings.AUTHENTICATION_BACKENDS[0])
    return HttpResponse("in")


async def asign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse("out")


urlpatterns = [
    path("", show),
    path("untouched/", untouched),
    path("put/", put),
    path("drop/", drop),
    path("expire/", expire),
    path("in/", sign_in),
    path("out/", sign_out),
    path("out-and-fail/", sign_out_and_fail),
    path("end-others/", end_others),
    path("permitted/", permitted),
    path("a/", ashow),
    path("a/in/", asign_in),
    path("a/out/", asign_out),
]
