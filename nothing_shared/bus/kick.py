"""Wake the agents of this machine: a byte on a socket without a file, so that nobody has to poll."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import socket
import sys
from collections.abc import Iterable, Iterator

__all__ = ["LONGEST_NAP", "ear", "kick"]

HAS_ABSTRACT_SOCKETS = sys.platform == "linux"

LONGEST_NAP = 3600.0 if HAS_ABSTRACT_SOCKETS else 0.005
"""Seconds that a reader may sleep without missing anything: elsewhere than on Linux it polls."""


def kick(names: Iterable[str]) -> None:
    """Wake whoever listens under these names; anybody may, since a kick says nothing."""
    if HAS_ABSTRACT_SOCKETS:
        sock = _sender()
        for name in names:
            with contextlib.suppress(OSError):  # nobody listens, or has been kicked enough
                sock.sendto(b"!", f"\0{name}")


@contextlib.contextmanager
def ear(name: str, woken: asyncio.Event) -> Iterator[None]:
    """Set the event on every kick; in a coroutine."""
    if not HAS_ABSTRACT_SOCKETS:
        yield
        return
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(f"\0{name}")
        loop.add_reader(sock, _wake, sock, woken)
        try:
            yield
        finally:
            loop.remove_reader(sock)


def _wake(sock: socket.socket, woken: asyncio.Event) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(16):
            pass
    woken.set()


_senders: dict[int, socket.socket] = {}


def _sender() -> socket.socket:
    pid = os.getpid()
    if pid not in _senders:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.setblocking(False)
        _senders[pid] = sock
        atexit.register(sock.close)
    return _senders[pid]
