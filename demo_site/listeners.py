"""The sockets the nodes answer on: one front port for all, and a port of its own for each."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from .directory import Unusable

__all__ = ["HOST", "Listeners", "open_listeners"]

HOST = "127.0.0.1"
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Listeners:
    """One socket on the front port and one on its own port for each node."""

    front: tuple[socket.socket, ...]
    own: tuple[socket.socket, ...]

    @property
    def port(self) -> int:
        return port_of(self.front[0])

    @property
    def own_ports(self) -> list[int]:
        return [port_of(listener) for listener in self.own]

    def close(self) -> None:
        """Close this process's copies, or a node that dies would leave its callers waiting."""
        for listener in (*self.front, *self.own):
            listener.close()


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def open_listeners(*, nodes: int, port: int) -> Listeners:
    """Open ``port`` for all nodes and ``port`` + 1, + 2, … for each; 0 takes whatever is free.

    On the front port every node has a listening socket of its own: the kernel deals new
    connections out among them. Raise :class:`Unusable` where somebody else has a port.
    """
    with ExitStack() as opened:
        front = _front(nodes, port, opened)
        own = [_listen(port and port + number, opened) for number in range(1, nodes + 1)]
        opened.pop_all()
    return Listeners(tuple(front), tuple(own))


def _front(nodes: int, port: int, opened: ExitStack) -> list[socket.socket]:
    if port:
        # SO_REUSEPORT alone would happily join the sockets of another demo of this user
        _listen(port, opened).close()
    first = _listen(port, opened, shared=True)
    return [first, *(_listen(port_of(first), opened, shared=True) for _ in range(nodes - 1))]


def _listen(port: int, opened: ExitStack, *, shared: bool = False) -> socket.socket:
    listener = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise Unusable(
            f"Port {port} of {HOST} can't be had: {error.strerror}. "
            "Choose another with --port, or --port 0 for ports that are free."
        ) from error
    return listener
