"""Wake the agents of this machine: a byte on a socket without a file, so that nobody has to poll."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache

__all__ = ["POLLING", "ear", "hush", "kick"]

logger = logging.getLogger("nothing_shared.bus")

HAS_ABSTRACT_SOCKETS = sys.platform == "linux"

KICKED, POLLING = 3600.0, 0.005
"""Seconds that a reader may sleep: where nobody can wake it, it polls."""


def kick(names: Iterable[str]) -> None:
    """Wake whoever listens under these names; anybody may, since a kick says nothing."""
    if HAS_ABSTRACT_SOCKETS:
        sock = _sender()
        for name in names:
            try:
                sock.sendto(b"!", f"\0{name}")
            except OSError:  # nobody listens, or has been kicked enough
                continue


@contextlib.contextmanager
def ear(name: str, woken: asyncio.Event) -> Iterator[float]:
    """Set the event on every kick, in a coroutine; yield the seconds that one may sleep at most."""
    sock = _bound(name)
    if sock is None:
        yield POLLING
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(sock, _wake, sock, woken)
    try:
        yield KICKED
    finally:
        loop.remove_reader(sock)
        _sockets.discard(sock)
        sock.close()


def _bound(name: str) -> socket.socket | None:
    if not HAS_ABSTRACT_SOCKETS:
        return None
    sock = _socket()
    try:
        sock.bind(f"\0{name}")
    except OSError as failure:  # a killed agent's yet for a moment, or a stranger's: it is public
        logger.info("nobody can wake this agent, so it polls: %s", failure)
        _sockets.discard(sock)
        sock.close()
        return None
    return sock


def _wake(sock: socket.socket, woken: asyncio.Event) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(16):
            pass
    woken.set()


_sockets: set[socket.socket] = set()


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    _sockets.add(sock)
    return sock


@lru_cache(maxsize=1)
def _sender() -> socket.socket:
    return _socket()


def hush() -> None:
    """Close the socket that this process kicks with; the next kick opens another."""
    if _sender.cache_info().currsize:
        sock = _sender()
        _sender.cache_clear()
        _sockets.discard(sock)
        sock.close()


def _let_go_in_child() -> None:
    for sock in _sockets:
        sock.close()
    _sockets.clear()
    _sender.cache_clear()


os.register_at_fork(after_in_child=_let_go_in_child)
