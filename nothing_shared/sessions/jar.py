"""The cookies of a request as the bytes that came, and what a session makes of them."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["JOINT", "MAX_COOKIE", "Jar", "chunk_names", "chunks_of", "data_name"]

MAX_COOKIE = 4096
"""Bytes of name and value that every browser keeps; of more it keeps nothing, and says nothing."""
JOINT = "~"
"""Between the tokens of one session key; no token has it in itself."""
MOST_CHUNKS = 3
MOST_CANDIDATES = 4


def data_name(name: str) -> str:
    """Name the cookie of a session's data after that of its login."""
    return f"{name}_data"


def chunk_names(name: str) -> Iterator[str]:
    """Yield the names of the cookies into which what is too long for one is cut."""
    yield name
    for number in range(1, MOST_CHUNKS):
        yield f"{name}.{number}"


def chunks_of(name: str, token: str, *, most: int) -> dict[str, str] | None:
    """Cut a token into cookies, the first of which says how many there are; None if it is too long."""
    if len(name) + len(token) <= MAX_COOKIE:
        return {name: token}
    room = MAX_COOKIE - len(name) - len(".1") - len(f"1{JOINT}")
    count = -(-len(token) // room)
    if count > most:
        return None
    pieces = [token[at : at + room] for at in range(0, len(token), room)]
    pieces[0] = f"{count}{JOINT}{pieces[0]}"
    return dict(zip(chunk_names(name), pieces, strict=False))


class Jar:
    """Reads a raw ``Cookie`` header: a name is what was sent, byte for byte.

    Django's parser strips Unicode blanks, so that a cookie named ``\\u2000__Host-x``, which any
    sibling host may set, passes for ``__Host-x``, which only this one may.
    """

    def __init__(self, header: str) -> None:
        self._values: dict[str, list[str]] = {}
        for part in header.split(";"):
            name, is_pair, value = part.strip(" \t").partition("=")
            if is_pair and name:
                self._values.setdefault(name, []).append(value)

    def names(self, name: str) -> list[str]:
        """Return which of a session's cookies came."""
        ours = (*chunk_names(name), *chunk_names(data_name(name)))
        return [known for known in ours if known in self._values]

    def is_ambiguous(self, name: str) -> bool:
        """Say whether the cookie of a login or of data came more than once."""
        return any(len(self.values(known)) > 1 for known in (name, data_name(name)))

    def candidates(self, name: str) -> list[str]:
        """Return the distinct values of a cookie, joined where it came in chunks.

        There is more than one where another host or path has set a cookie of the same name. Too
        many to look at are none.
        """
        found = []
        for value in dict.fromkeys(self._values.get(name, ())):
            whole = self._joined(name, value)
            if whole is not None:
                found.append(whole)
        return found if len(found) <= MOST_CANDIDATES else []

    def _joined(self, name: str, first: str) -> str | None:
        count, is_cut, piece = first.partition(JOINT)
        if not is_cut or len(count) != 1 or count not in "23":
            return first
        pieces = [piece]
        for other in list(chunk_names(name))[1 : int(count)]:
            values = self._values.get(other, [])
            if len(values) != 1:
                return None
            pieces += values
        return "".join(pieces)

    def values(self, name: str) -> list[str]:
        """Return the values of a cookie as they came."""
        return self._values.get(name, [])
