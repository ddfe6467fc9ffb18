"""This machine's memory of what it last made of each session."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nothing_shared.node import process
from nothing_shared.sessions.errors import BadToken
from nothing_shared.sessions.header import Header, is_newer
from nothing_shared.sessions.lines import Line
from nothing_shared.sessions.recent import Recent
from nothing_shared.sessions.terms import terms
from nothing_shared.sessions.tokens import Token

__all__ = ["newer_than", "newest", "turn"]

logger = logging.getLogger("nothing_shared.sessions")

_recent: tuple[process.Node, Recent] | None = None


def _current() -> Recent | None:
    global _recent
    if _recent is not None and not _recent[0].table.is_retired:
        return _recent[1]
    node = process.current()
    try:
        _recent = node, Recent(node.directory)
    except OSError as failure:  # a full disk: nothing that anybody needs
        logger.warning("node %s can't remember sessions: %s", node.name, failure)
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
    recent = _current()
    text = recent and recent.get(mine.header.sid)
    if not text or text == mine.text:
        return None
    try:
        token = terms().codec.decode(text)
    except BadToken:
        return None
    is_same = token.header.sid == mine.header.sid and token.header.kind is mine.header.kind
    return token if is_same and is_newer(token.header.counter, mine.header.counter) else None


@contextmanager
def turn() -> Iterator[Callable[[Token], None]]:
    """Let one request of this machine at a time make new data; yields how to remember it."""
    recent = _current()
    if recent is None:
        yield lambda token: None
        return
    with recent.turn():
        yield lambda token: recent.put(token.header.sid, token.text)
