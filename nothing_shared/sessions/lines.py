"""A session as its client holds it: one token, or one of its login and one of its data."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

from nothing_shared.sessions.errors import BadToken
from nothing_shared.sessions.header import Header, Kind, is_newer
from nothing_shared.sessions.jar import JOINT
from nothing_shared.sessions.packing import unpack
from nothing_shared.sessions.tokens import Codec, Token

__all__ = ["Line", "choose", "open_line"]


class Line:
    """The tokens of one session."""

    __slots__ = ("data", "head", "main", "tokens")

    def __init__(self, main: Token | None, data: Token | None = None) -> None:
        self.main = main
        """The whole session, or its login; None where nobody is signed in and the data stands apart."""
        self.data = data
        self.tokens = tuple(token for token in (main, data) if token is not None)
        self.head: Header = self.tokens[0].header

    @property
    def sid(self) -> str:
        return self.head.sid.hex()

    @property
    def key(self) -> str:
        """What Django calls the session key."""
        return JOINT.join(token.text for token in self.tokens)

    @property
    def varying(self) -> Token | None:
        """The token that data writes replace."""
        return self.data or (self.main if self.head.kind is Kind.WHOLE else None)

    def replacing(self, newer: Token) -> Line:
        """Return the line with another token in place of the one of its kind."""
        return Line(self.main, newer) if newer.header.kind is Kind.DATA else Line(newer)

    def content(self, load: Callable[[bytes], Any]) -> dict[str, Any]:
        """Return what the session holds; in doubt the login is right."""
        content = unpack(self.tokens[-1].packed, load)
        if len(self.tokens) > 1:
            content.update(unpack(self.tokens[0].packed, load))
        return content


def open_line(key: str, codec: Codec, is_alive: Callable[[Header], bool]) -> Line:
    """Open a session key; raises BadToken. Data of another session than the login's is left out.

    So is data whose login is missing: who signs in next is somebody else, perhaps.
    """
    main = data = None
    for text in key.split(JOINT, 2)[:2]:
        token = codec.opened(text)
        if token is None or not is_alive(token.header):
            continue
        if token.header.kind is Kind.DATA:
            data = data or token
        else:
            main = main or token
    if main is not None and (
        main.header.kind is Kind.WHOLE or (data and data.header.sid != main.header.sid)
    ):
        data = None
    if main is None and data is not None and data.header.is_bound:
        data = None
    if main is None and data is None:
        raise BadToken("no token of this site")
    return Line(main, data)


def choose(
    texts: Sequence[str],
    codec: Codec,
    kinds: Container[Kind],
    is_living: Callable[[Token], bool] = lambda token: True,
) -> Token | None:
    """Return the newest of several tokens that came in one place, if all that live are of one session.

    Whoever may set a cookie for a parent domain could else slip in a session of their own. What is
    no token of this place, or of a session that has ended, was left there by somebody else, or lately.
    """
    found = [token for token in map(codec.opened, texts) if token and token.header.kind in kinds]
    if _is_of_several(found):
        found = [token for token in found if is_living(token)]
    if not found or _is_of_several(found):
        return None
    best = found[0]
    for token in found[1:]:
        if is_newer(token.header.counter, best.header.counter):
            best = token
    return best


def _is_of_several(tokens: Iterable[Token]) -> bool:
    return len({token.header.sid for token in tokens}) > 1
