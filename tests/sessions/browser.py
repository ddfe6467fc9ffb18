"""Somebody with a cookie jar, whose requests pass the site's real handlers."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from typing import Any

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.test import AsyncRequestFactory, RequestFactory

__all__ = ["Answer", "Browser", "content_of", "put", "user_of"]


class Answer:
    """A response, and what it set."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers = {name.lower(): value for name, value in response.items()}
        self.text: str = response.content.decode()
        self.cookies: SimpleCookie = response.cookies


class Browser:
    """Keeps what it is sent, as browsers do: nothing of over 4096 bytes."""

    def __init__(self, *, is_async: bool = False) -> None:
        self.cookies: dict[str, str] = {}
        self.is_async = is_async

    def copy(self) -> Browser:
        """Return another browser, to which somebody has copied the cookies."""
        other = Browser(is_async=self.is_async)
        other.cookies = dict(self.cookies)
        return other

    def get(self, path: str, **headers: str) -> Answer:
        return self.keep(self.send("GET", path, None, headers))

    def post(self, path: str, **form: str) -> Answer:
        return self.keep(self.send("POST", path, form, {}))

    def send(
        self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]
    ) -> Answer:
        """Send a request, and leave the answer on its way."""
        if self.cookies and "cookie" not in headers:
            jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = {**headers, "cookie": jar}
        factory: Any = AsyncRequestFactory() if self.is_async else RequestFactory()
        request = getattr(factory, method.lower())(path, form, headers=headers)
        return Answer(_answer(request))

    def keep(self, answer: Answer) -> Answer:
        for name, morsel in answer.cookies.items():
            if len(name) + len(morsel.value) > 4096:
                continue
            if morsel["max-age"] == 0 or not morsel.value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return answer


def _answer(request: WSGIRequest | ASGIRequest) -> Any:
    if isinstance(request, ASGIRequest):
        handler = ASGIHandler()
        return async_to_sync(handler.get_response_async)(request)
    return WSGIHandler().get_response(request)


def put(browser: Browser, **values: Any) -> Answer:
    return browser.post("/put/", content=json.dumps(values))


def content_of(browser: Browser) -> Any:
    return json.loads(browser.get("/").text)["content"]


def user_of(browser: Browser) -> str:
    return str(json.loads(browser.get("/").text)["user"])
