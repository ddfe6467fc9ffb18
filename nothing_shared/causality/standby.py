"""Which statements a hot standby answers as its primary would, and which bind a session."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from nothing_shared.causality.sql import END, is_name, parts

__all__ = ["binds_session", "can_answer", "statements"]

QUERIES = frozenset("( select table values with".split())
LOCKS = frozenset("key no share update".split())

PRIMARY_ONLY = frozenset(
    """
    current_setting currval inet_client_addr inet_client_port inet_server_addr inet_server_port into
    lastval loread lowrite nextval set_config setseed setval
    """.split()
)
"""Words of statements that lock, count or ask about the session or the server."""

PRIMARY_ONLY_BEGINNINGS = ("dblink", "lo_", "pg_", "txid_")
ANYWHERE = frozenset(("pg_catalog", "pg_size_pretty", "pg_typeof"))

FOR_ALL_SESSIONS = frozenset(
    """
    abort alter analyze checkpoint close cluster comment create deallocate delete drop explain fetch grant
    insert lock merge move notify reassign refresh reindex revoke security select show table truncate update
    vacuum values with (
    """.split()
)
"""Commands that leave nothing behind on their session, unless a word of theirs says otherwise."""

NOT_PAST_THE_TRANSACTION = frozenset("constraints local transaction".split())

BINDING = frozenset(("pg_temp", "set_config", "setseed"))
TEMPORARY = frozenset(("temp", "temporary"))
BINDING_BEGINNINGS = ("pg_advisory_lock", "pg_try_advisory_lock")


def statements(tokens: list[str]) -> Iterator[list[str]]:
    """Yield the statements of a text of several."""
    for is_end, some in groupby(tokens, lambda token: token in (";", END)):
        if not is_end:
            yield [*some, END]


def can_answer(tokens: list[str]) -> bool:
    """Say whether a query asks for nothing but data; what it writes is for others to see."""
    if tokens[0] not in QUERIES:
        return False
    for at, token in enumerate(tokens):
        if token == "for" and tokens[at + 1] in LOCKS:
            return False
        if is_name(token) and not all(_is_anywhere(part) for part in parts(token)):
            return False
    return True


def _is_anywhere(name: str) -> bool:
    if name in ANYWHERE:
        return True
    return name not in PRIMARY_ONLY and not name.startswith(PRIMARY_ONLY_BEGINNINGS)


def binds_session(tokens: list[str]) -> bool:
    """Say whether what comes next on the session depends on this: it may not go elsewhere then."""
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else ""
    if first == "set" and second in NOT_PAST_THE_TRANSACTION:
        return False
    if first not in FOR_ALL_SESSIONS or (first == "create" and second in TEMPORARY):
        return True
    if "into" in tokens and not TEMPORARY.isdisjoint(tokens):
        return True
    return any(
        part in BINDING or part.startswith(BINDING_BEGINNINGS)
        for token in tokens
        if is_name(token)
        for part in parts(token)
    )
