"""The cluster's site behind real web servers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.harness import Cluster
from tests.servers import free_port
from tests.wait import wait_until

__all__ = ["GUNICORN", "PRELOAD", "THREADS", "UVICORN", "Client", "WebServer", "serving"]

UVICORN = (
    "uvicorn", "--factory", "django.core.asgi:get_asgi_application", "--lifespan", "off",
    "--log-level", "warning", "--port", "{port}",
)  # fmt: skip
GUNICORN = (
    "gunicorn", "django.core.wsgi:get_wsgi_application()", "--workers", "2",
    "--log-level", "warning", "--bind", "127.0.0.1:{port}",
)  # fmt: skip
THREADS = (*GUNICORN, "--worker-class", "gthread", "--threads", "4")
PRELOAD = (
    "gunicorn", "tests.cluster.preloaded:application", "--preload", "--workers", "8",
    "--log-level", "warning", "--bind", "127.0.0.1:{port}",
)  # fmt: skip


class Client:
    """One connection to one server, with cookies or without."""

    def __init__(self, port: int, *, cookies: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.cookies = cookies

    def ask(self, path: str, method: str = "GET") -> Any:
        """Return the answer as JSON, or as text where it is none."""
        response, body = self.response(path, method)
        assert response.status == 200, f"{response.status}: {body[:2000]}"
        return json.loads(body) if body.startswith(("{", "[")) else body

    def response(self, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, str]:
        jar = "; ".join(f"{name}={value}" for name, value in (self.cookies or {}).items())
        self._connection.request(method, path, headers={"Cookie": jar} if jar else {})
        response = self._connection.getresponse()
        body = response.read().decode()
        self._receive(response)
        return response, body

    def _receive(self, response: http.client.HTTPResponse) -> None:
        for header in response.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            if self.cookies is not None and "Max-Age=0" in header:
                self.cookies.pop(name, None)
            elif self.cookies is not None:
                self.cookies[name] = value

    def close(self) -> None:
        self._connection.close()


class WebServer:
    """A running server of one node."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @contextmanager
    def client(self, *, cookies: dict[str, str] | None = None) -> Iterator[Client]:
        client = Client(self.port, cookies=cookies)
        try:
            yield client
        finally:
            client.close()

    def ask(self, path: str, method: str = "GET", cookies: dict[str, str] | None = None) -> Any:
        """Ask over a connection of its own."""
        with self.client(cookies=cookies) as client:
            return client.ask(path, method)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self.ask("/stalls/1/"))
        return False


UNCLOSED = (
    r"Exception ignored in: <sqlite3\.Connection.*\nTraceback .*\n(?: .*\n)*"
    r"ResourceWarning: unclosed database .*"
)


@contextmanager
def serving(
    cluster: Cluster, node: str, command: tuple[str, ...], **environment: str
) -> Iterator[WebServer]:
    """Run a server as a node of a cluster until the block ends."""
    port, log = free_port(), cluster.directory / f"{node}.log"
    words = [word.format(port=port) for word in command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-m", *words],
            env={**os.environ, **cluster.environment(node), **environment},
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[2],
        )
    server = WebServer(process, port, log)
    try:
        wait_until(server.answers, timeout=60, what=command[0])
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # Django leaves connections of threads that have ended to the collector; Python 3.13 tells of it.
    told = re.sub(UNCLOSED, "", server.log)
    assert "Traceback" not in told, told
