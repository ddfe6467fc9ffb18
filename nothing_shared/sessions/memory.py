"""This machine's memory of what it last made of each session."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured

from nothing_shared.locks import LockTimeout
from nothing_shared.node import process
from nothing_shared.sessions.header import Header, Kind, is_newer
from nothing_shared.sessions.lines import Line
from nothing_shared.sessions.recent import Recent
from nothing_shared.sessions.terms import terms
from nothing_shared.sessions.tokens import Token

__all__ = ["last_of", "newer_than", "newest", "turn"]

logger = logging.getLogger("nothing_shared.sessions")

_recent: tuple[process.Node, Recent] | None = None


def _current() -> Recent | None:
    """Return this machine's memory; None where it can't be had, and nobody needs it."""
    global _recent
    if _recent is not None and not _recent[0].table.is_retired:
        return _recent[1]
    try:
        node = process.current()
        _recent = node, Recent(node.directory)
    except (OSError, LockTimeout, ImproperlyConfigured) as failure:  # a full disk, for one
        logger.warning("this node can't remember sessions: %s", failure)
        return None
    return _recent[1]


def _forget_in_child() -> None:
    global _recent
    _recent = None


os.register_at_fork(after_in_child=_forget_in_child)


def newest(line: Line, is_alive: Callable[[Header], bool]) -> Line:
    """Return the line with the newest data that this machine has made of the session."""
    mine = line.varying
    newer = mine and newer_than(mine)
    return line.replacing(newer) if newer and is_alive(newer.header) else line


def newer_than(mine: Token) -> Token | None:
    """Return what this machine has made of a session, where it is newer.

    By its number *and* by the clock: where answers were lost, what the client went on to make on
    another node may have a lower number.
    """
    token = last_of(mine.header.sid, mine.header.kind)
    if token is None or token.header.issued < mine.header.issued:
        return None
    return token if is_newer(token.header.counter, mine.header.counter) else None


def last_of(sid: bytes, kind: Kind) -> Token | None:
    """Return the token of a kind that this machine last made of a session."""
    recent = _current()
    text = recent and recent.get(sid)
    token = terms().codec.opened(text) if text else None
    return token if token and (token.header.sid, token.header.kind) == (sid, kind) else None


@contextmanager
def turn() -> Iterator[Callable[[Token], None]]:
    """Let one request of this machine at a time make new data; yields how to remember it."""
    recent = _current()
    if recent is None:
        yield lambda token: None
        return
    with recent.turn():
        yield lambda token: recent.put(token.header.sid, token.text)
