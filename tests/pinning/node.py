"""Nodes of the site: processes that serve it over HTTP, through WSGI or ASGI."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext, suppress
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from tests.pinning import spy
from tests.servers import free_port
from tests.servers.running import greeting
from tests.wait import wait_until

__all__ = ["Node"]

processes = multiprocessing.get_context("forkserver")
nursery = forkserver.ForkServer()
"""Of our own: the one that all share may have been set up for other tests' site."""
nursery.set_forkserver_preload(["tests.pinning.preloaded"])


class Node:
    """A running node; ``site`` is what ``tests.pinning.settings`` reads."""

    def __init__(self, site: dict[str, Any], *, interface: str = "wsgi") -> None:
        self.port = free_port()
        self.name = site["node"]
        ours, theirs = processes.Pipe()
        self._orders, self._lock = ours, threading.Lock()
        self.process = processes.Process(
            target=serve, args=(site, interface, self.port, theirs), daemon=True
        )
        with patch.object(forkserver, "connect_to_new_process", nursery.connect_to_new_process):
            self.process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        wait_until(self._answers, timeout=60, what=f"node {self.name}")

    def _answers(self) -> bool:
        assert self.process.is_alive(), f"node {self.name} ended"
        return greeting(self.port, b"GET /none/ HTTP/1.0\r\n\r\n").startswith(b"HTTP")

    def run(self, function: str, *arguments: Any) -> Any:
        """Run a function of ``tests.pinning.errands`` in the node, outside of any request."""
        with self._lock:
            self._orders.send((function, arguments))
            result = self._orders.recv()
        if isinstance(result, Exception):
            raise result
        return result

    def kill(self) -> None:
        self.process.kill()
        self.process.join(60)

    def close(self) -> None:
        self._orders.close()
        with suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, signal.SIGTERM)
        self.process.join(20)
        self.kill()


def serve(site: dict[str, Any], interface: str, port: int, orders: Connection) -> None:
    """Be a node until SIGTERM.

    ``mutant`` names what to break in it; ``clock`` has the seconds by which its clock is wrong, in turn.
    """
    if "clock" in site:
        told = itertools.cycle(site["clock"])
        time.time = lambda now=time.time: now() + next(told)  # type: ignore[misc]
    os.environ["PINNING_SITE"] = json.dumps(site)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.pinning.settings"
    import django

    django.setup()
    spy.install()
    threading.Thread(target=obey, args=(orders,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    mutants = import_module("tests.pinning.mutants")
    with mutants.planted(site["mutant"]) if "mutant" in site else nullcontext():
        {"wsgi": serve_wsgi, "asgi": serve_asgi}[interface](port)


def obey(orders: Connection) -> None:
    with suppress(EOFError, OSError):
        while True:
            function, arguments = orders.recv()
            try:
                errand = getattr(import_module("tests.pinning.errands"), function)
                orders.send(errand(*arguments))
            except Exception as failure:
                orders.send(RuntimeError(f"{type(failure).__name__}: {failure}"))


def serve_wsgi(port: int) -> None:
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadedWSGIServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.set_app(told_wsgi(get_wsgi_application()))
    server.serve_forever()


def serve_asgi(port: int) -> None:
    import uvicorn
    from django.core.asgi import get_asgi_application

    application = told_asgi(get_asgi_application())
    config = uvicorn.Config(application, port=port, lifespan="off", log_level="error", ws="none")
    server = uvicorn.Server(config)
    server.run()


def headers(statements: list[spy.Statement]) -> list[tuple[str, str]]:
    """Say in a response which servers were asked for the library's data, and how often any was."""
    reads = [port for port, text in statements if "library_" in text and "SELECT" in text[:20]]
    told = {"X-Served": " ".join(map(str, reads)), "X-Statements": str(len(statements))}
    return list(told.items())


def told_wsgi(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def tell(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with spy.spying() as statements:

            def start(status: str, found: list[tuple[str, str]], *rest: Any) -> Any:
                return start_response(status, [*found, *headers(statements)], *rest)

            return application(environ, start)

    return tell


def told_asgi(application: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        with spy.spying() as statements:

            async def start(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    more = [(name.encode(), value.encode()) for name, value in headers(statements)]
                    message = {**message, "headers": [*message.get("headers", ()), *more]}
                await send(message)

            await application(scope, receive, start)

    return tell
