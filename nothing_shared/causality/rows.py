"""Find the rows that a statement pins by primary key.

Only what certainly is a conjunct of the outermost WHERE counts, in exactly the shape ``key = value`` or
``key IN (values)``. All else leaves the table read or written at large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from nothing_shared.causality.relations import Kind, TableInfo
from nothing_shared.causality.sql import END, PLACEHOLDER, is_name, parts
from nothing_shared.causality.statement import Mention, Statement

__all__ = ["MAX_ROWS", "Placeholders", "RowPin", "is_assigned", "pins", "values_of"]

MAX_ROWS = 100
"""More rows than this are the table."""

LONGEST_NUMBER = 18

COMBINING = frozenset("union intersect except minus".split())
DISJOINING = frozenset("or xor case select values with table , |".split())
"""Where one of these stands beside a conjunct, it may not be one."""

ENDS_WHERE = frozenset("group having order limit offset fetch for window returning ;".split()) | {
    END
}

AFTER_A_TABLE = frozenset(
    """
    as cross default fetch for force full group having ignore indexed inner intersect except join left
    limit minus natural not offset on order outer overriding returning right select set straight_join
    tablesample union use using values where window with
    """.split()
)
"""Words that are no alias."""

ROW_IDS = frozenset(("rowid", "oid", "_rowid_"))
"""SQLite's other names of an integer key."""


@dataclass(frozen=True, slots=True)
class RowPin:
    """Rows of one table pinned by primary key: by parameters (indexes) and by numbers in the text."""

    table: str
    kind: Kind
    params: tuple[int, ...] = ()
    literals: tuple[str, ...] = ()


class Placeholders:
    """Which parameters stand at which token; counted when first asked."""

    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens = tokens
        self._text = text

    @cached_property
    def _before(self) -> list[int]:
        counts = (
            token.count(PLACEHOLDER) if token[:2] == PLACEHOLDER else 0 for token in self._tokens
        )
        return list(accumulate(counts, initial=0))

    @property
    def total(self) -> int:
        return self._before[-1]

    @property
    def is_certain(self) -> bool:
        """Say whether no text or comment holds what a driver may take for a placeholder too."""
        return self.total == self._text.count(PLACEHOLDER)

    def at(self, place: int) -> range:
        return range(self._before[place], self._before[place + 1])


def pins(statement: Statement, placeholders: Placeholders) -> list[RowPin]:
    """Return the rows to which the statement's outermost WHERE confines it, one pin a table at most."""
    tables = pinnable(statement) if len(statement.wheres) == 1 and has_comparison(statement) else {}
    found: dict[str, RowPin] = {}
    for start, end in conjuncts(statement) if tables else ():
        token = statement.tokens[start]
        *qualifier, column = parts(token) if is_name(token) else ("",)
        table = tables.get(".".join(qualifier))
        if table is not None and table.column == column:
            values = compared(statement, start + 1, end)
            pin = pin_of(table, values, statement.tokens, placeholders)
            if pin is not None:
                found.setdefault(pin.table, pin)
    return list(found.values())


def has_comparison(statement: Statement) -> bool:
    """Say whether a key of any table is compared at all; most statements end here."""
    schema, tokens = statement.schema, statement.tokens
    keys = {
        schema.tables[mention.name].pk
        for mention in statement.mentions
        if mention.name in schema.tables
    }
    return any(
        tokens[at + 1] in ("=", "in") and is_name(tokens[at]) and parts(tokens[at])[-1] in keys
        for at in range(statement.wheres[0] + 1, len(tokens) - 1)
    )


class Pinnable(NamedTuple):
    table: str
    column: str
    kind: Kind


def pinnable(statement: Statement) -> dict[str, Pinnable]:
    """Return the tables that can be pinned, by the qualifier of their columns.

    Such a table occurs once, in the outermost statement; "" stands for it if it is the only source.
    """
    outermost = [mention for mention in statement.mentions if mention.is_outermost]
    aliases = [alias_of(statement.tokens, mention) for mention in outermost]
    found: dict[str, Pinnable] = {}
    for alias, mention in zip(aliases, outermost, strict=True):
        info = statement.schema.tables.get(mention.name)
        if info is None or not info.pk or not info.kind or mention.is_qualified:
            continue
        is_alone = aliases.count(alias) == 1 and occurs_once(statement, mention)
        if is_alone and not is_assigned(statement, mention, info):
            found[alias] = Pinnable(mention.name, info.pk, info.kind)
    if statement.outermost_sources == 1 and found:
        found[""] = next(iter(found.values()))
    return found


def occurs_once(statement: Statement, mention: Mention) -> bool:
    name = mention.name
    is_plain = name not in statement.schema.views
    is_alone = [other.name for other in statement.mentions].count(name) == 1
    return is_plain and is_alone and name not in statement.loose


def alias_of(tokens: list[str], mention: Mention) -> str:
    """Return the name by which columns of a table are qualified."""
    following = tokens[mention.at + 1]
    if following == "as":
        following = tokens[mention.at + 2]
    elif following in AFTER_A_TABLE:
        return mention.name
    return parts(following)[-1] if is_name(following) else mention.name


def is_assigned(statement: Statement, mention: Mention, info: TableInfo) -> bool:
    """Say whether an UPDATE may give its rows another key."""
    if mention.verb != "update":
        return False
    tokens, at, end = statement.tokens, mention.at, statement.wheres[0]
    keys, is_target = ROW_IDS | {info.pk}, False
    while at < end:
        token = tokens[at]
        if is_target and (token == "(" or not keys.isdisjoint(parts(token)[-1:])):
            return True
        is_target = token in ("set", ",")
        at = statement.closers.get(at, at) + 1
    return "set" not in tokens[mention.at : end]


def conjuncts(statement: Statement) -> Iterator[tuple[int, int]]:
    """Yield spans of tokens that must all be true of each row of the outermost WHERE."""
    tokens, where = statement.tokens, statement.wheres[0]
    beside = list(level(statement, 0, len(tokens)))
    if any(
        tokens[at] in COMBINING or (at > where and tokens[at] in ("or", "xor")) for at in beside
    ):
        return
    spans = [(where + 1, next(at for at in beside if at > where and tokens[at] in ENDS_WHERE))]
    while spans:
        start, end = unwrapped(statement, *spans.pop())
        pieces = split(statement, start, end)
        if len(pieces) == 1:
            yield pieces[0]
        else:
            spans.extend(pieces)


def level(statement: Statement, start: int, end: int) -> Iterator[int]:
    """Yield the places of a span's tokens that stand outside parentheses, opening ones included."""
    while start < end:
        yield start
        start = statement.closers.get(start, start) + 1


def unwrapped(statement: Statement, start: int, end: int) -> tuple[int, int]:
    while statement.closers.get(start) == end - 1:
        start, end = start + 1, end - 1
    return start, end


def split(statement: Statement, start: int, end: int) -> list[tuple[int, int]]:
    """Split a condition at its ANDs; nothing comes of one that is no plain conjunction."""
    pieces: list[tuple[int, int]] = []
    betweens = 0
    for at in level(statement, start, end):
        token = statement.tokens[at]
        if token in DISJOINING:
            return []
        if token == "between":
            betweens += 1
        elif token == "and" and betweens:
            betweens -= 1
        elif token == "and":
            pieces.append((start, at))
            start = at + 1
    return [*pieces, (start, end)]


def compared(statement: Statement, at: int, end: int) -> range:
    """Return the places of the values in ``= value`` or ``IN (values)``; none if it is neither."""
    tokens = statement.tokens
    if at + 2 == end and tokens[at] == "=" and "," not in tokens[at + 1]:
        return range(at + 1, end)
    if tokens[at] == "in" and tokens[at + 1] == "(" and statement.closers.get(at + 1) == end - 1:
        return range(at + 2, end - 1)
    return range(0)


def pin_of(
    table: Pinnable, places: range, tokens: list[str], placeholders: Placeholders
) -> RowPin | None:
    params: list[int] = []
    literals: list[str] = []
    for place in places:
        token = tokens[place]
        if token.startswith(PLACEHOLDER) and placeholders.is_certain:
            params.extend(placeholders.at(place))
        elif is_key(token, table.kind):
            literals.append(str(int(token)))
        elif token != ",":
            return None
    if 0 < len(params) + len(literals) <= MAX_ROWS:
        return RowPin(table.table, table.kind, tuple(params), tuple(literals))
    return None


def is_key(token: str, kind: Kind) -> bool:
    return kind == "int" and token.isascii() and token.isdigit() and len(token) <= LONGEST_NUMBER


def values_of(
    statement: Statement, start: int, end: int, placeholders: Placeholders
) -> list[list[str | int]]:
    """Return the values of one row of VALUES: each is its tokens, parameters as their indexes."""
    items: list[list[str | int]] = [[]]
    for at in level(statement, start, end):
        token = statement.tokens[at]
        if token.startswith(PLACEHOLDER):
            first, *others = placeholders.at(at)
            items[-1].append(first)
            items.extend([index] for index in others)
        elif token == ",":
            items.append([])
        else:
            items[-1].append(token)
    return items
