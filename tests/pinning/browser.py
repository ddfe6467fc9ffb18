"""A browser with a clock that the test winds by hand, for cookies that expire."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from typing import Any

from tests.pinning.node import Node

__all__ = ["Browser", "Reply"]


@dataclass
class Reply:
    """What a node answered."""

    status: int
    body: str
    cookies: list[Morsel[str]]
    headers: http.client.HTTPMessage

    @property
    def json(self) -> Any:
        assert self.status == 200, f"{self.status}: {self.body[:3000]}"
        return json.loads(self.body)

    @property
    def served(self) -> list[int]:
        """The ports of the servers that were asked for the library's data, in order."""
        return [int(port) for port in self.headers["X-Served"].split()]

    @property
    def statements(self) -> int:
        return int(self.headers["X-Statements"])


@dataclass
class Browser:
    """One client: it keeps cookies as a browser does, and a connection to each node."""

    now: float = 0.0
    jar: dict[str, tuple[str, float]] = field(default_factory=dict)
    _connections: dict[int, http.client.HTTPConnection] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        """Let time pass here, so that cookies expire."""
        self.now += seconds

    def get(self, node: Node, path: str) -> Reply:
        return self.take_in(self.send(node, "GET", path))

    def post(self, node: Node, path: str) -> Reply:
        return self.take_in(self.send(node, "POST", path))

    def send(self, node: Node, method: str, path: str) -> Reply:
        """Ask with the cookies there are, and leave those in the answer for ``take_in``."""
        if node.port not in self._connections:
            made = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
            self._connections[node.port] = made
        connection = self._connections[node.port]
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(
                method, path.replace(" ", "%20"), headers={"Cookie": jar} if jar else {}
            )
            with connection.getresponse() as response:  # whose socket may be its own by now
                body = response.read().decode()
            if response.status == 200 and "X-Served" not in response.headers:
                # What http.client makes of a node that is killed while it sends its headers.
                raise http.client.HTTPException(f"cut off after {response.headers.keys()}")
        except (OSError, http.client.HTTPException):
            self._connections.pop(node.port).close()
            raise
        cookies = [
            cookie
            for text in response.headers.get_all("Set-Cookie") or ()
            for cookie in parsed(text)
        ]
        return Reply(response.status, body, cookies, response.headers)

    def take_in(self, reply: Reply) -> Reply:
        """Keep the cookies of an answer, which may be older than one that was taken in before."""
        for cookie in reply.cookies:
            age = cookie["max-age"]
            expires = self.now + float(age) if age != "" else float("inf")
            self.jar[cookie.key] = (cookie.value, expires)
        return reply

    @property
    def cookies(self) -> dict[str, str]:
        self.jar = {name: kept for name, kept in self.jar.items() if kept[1] > self.now}
        return {name: value for name, (value, _) in self.jar.items()}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def parsed(header: str) -> list[Morsel[str]]:
    return list(SimpleCookie(header).values())
