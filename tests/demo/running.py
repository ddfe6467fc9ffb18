"""The real demo in processes of its own, and people who visit it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from tests.wait import wait_until

__all__ = ["Answer", "Demo", "Visitor"]

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def node(self) -> str:
        return self.headers["x-served-by"].partition("/")[0]

    @property
    def worker(self) -> str:
        return self.headers["x-served-by"]


@dataclass
class Visitor:
    """Somebody with a cookie jar of their own, which counts for all ports of the host."""

    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, **headers: str) -> Answer:
        return self.send("GET", url, headers=headers)

    def post(self, url: str, form: dict[str, str] | None = None) -> Answer:
        return self.send("POST", url, urlencode(form or {}), content_type=FORM)

    def post_json(self, url: str, body: object) -> Answer:
        return self.send("POST", url, json.dumps(body), content_type="application/json")

    def send(
        self,
        method: str,
        url: str,
        body: str | bytes | None = None,
        *,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own, and follow nothing."""
        place = urlsplit(url)
        sent = dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if content_type:
            sent["Content-Type"] = content_type
        connection = HTTPConnection(str(place.hostname), place.port, timeout=30)
        try:
            target = place.path + (f"?{place.query}" if place.query else "")
            connection.request(method, target, body=body, headers=sent)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        self._keep(response.headers.get_all("Set-Cookie", []))
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lowered, content)

    def _keep(self, set_cookies: list[str]) -> None:
        for line in set_cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == 0 or morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value

    def form_token(self, page: Answer) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert found, page.text
        return found[1]


FORM = "application/x-www-form-urlencoded"


class Demo:
    """One ``python -m demo_site``, started on ports that are free."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.log = directory.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "demo_site", "--directory", str(directory)),
                    *(options if "--port" in options else ("--port", "0", *options)),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.process.poll() is None:
            self.stop()

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> Self:
        def has_started() -> bool:
            assert self.process.poll() is None, self.said
            return "\nReady.\n" in self.said

        wait_until(has_started, START_SECONDS)
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    @cached_property
    def urls(self) -> list[str]:
        """The front address, then those of node-1, node-2, …"""
        return re.findall(r"^  (http://[\w.]+:\d+)/  ", self.said, re.MULTILINE)

    @property
    def front(self) -> str:
        return self.urls[0]

    @property
    def nodes(self) -> list[str]:
        return self.urls[1:]

    def facts(self, title: str) -> dict[str, Any]:
        """What the list of events says about one of them."""
        listed = Visitor().get(f"{self.front}/api/events/").json["events"]
        return next(event for event in listed if event["title"] == title)

    def processes(self) -> dict[int, str]:
        """All masters and workers of this demo that still run, with their node's name."""
        mark = f"DEMO_DIRECTORY={self.directory}".encode()
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in environment:
                name = next(item for item in environment if item.startswith(b"DEMO_NODE="))
                found[int(process.name)] = name.partition(b"=")[2].decode()
        return found

    def masters(self) -> dict[str, int]:
        """The gunicorn master of each node."""
        return {
            name: number for number, name in self.processes().items() if os.getsid(number) == number
        }

    def workers(self, node: str) -> list[int]:
        """The processes of a node that serve requests, one of them as its agent."""
        master = self.masters()[node]
        return [
            number for number, name in self.processes().items() if name == node and number != master
        ]
