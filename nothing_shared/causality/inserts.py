"""Find the rows that an INSERT makes: their keys, or that the database makes the key of the only one."""

from __future__ import annotations

from nothing_shared.causality.relations import TableInfo
from nothing_shared.causality.rows import MAX_ROWS, ROW_IDS, Placeholders, RowPin, is_key, values_of
from nothing_shared.causality.sql import END, is_name, parts
from nothing_shared.causality.statement import Statement

__all__ = ["inserted"]


def inserted(statement: Statement, placeholders: Placeholders) -> RowPin | str | None:
    """Return the rows by key, or the table of one row whose key the database makes; else None."""
    tokens, mentions = statement.tokens, statement.mentions
    if tokens[:2] != ["insert", "into"] or len(mentions) != 1 or mentions[0].at != 2:
        return None
    table = mentions[0].name
    info = statement.schema.tables.get(table)
    if info is None or info.kind is None or statement.is_upsert or mentions[0].is_qualified:
        return None
    if tokens[3:5] == ["default", "values"]:
        return table if info.is_auto and ends_plainly(tokens, 5) else None
    return rows_of_values(statement, table, info, placeholders)


def rows_of_values(
    statement: Statement, table: str, info: TableInfo, placeholders: Placeholders
) -> RowPin | str | None:
    tokens, end = statement.tokens, statement.closers.get(3, 0)
    columns = tokens[4:end:2]
    if tokens[end + 1] != "values" or not is_list_of_names(tokens[4:end]):
        return None
    names = [parts(column)[-1] for column in columns]
    rows, after = rows_of(statement, end + 2)
    if len(rows) > MAX_ROWS or not ends_plainly(tokens, after):
        return None
    if info.pk not in names:
        is_made = info.is_auto and len(rows) == 1 and ROW_IDS.isdisjoint(names)
        return table if is_made else None
    place = names.index(info.pk)
    keys = [
        values_of(statement, start + 1, end, placeholders)[place : place + 1] for start, end in rows
    ]
    return keys_of(keys, table, info, placeholders)


def rows_of(statement: Statement, at: int) -> tuple[list[tuple[int, int]], int]:
    """Return the parentheses of the rows after VALUES, and what comes after them."""
    tokens = statement.tokens
    rows: list[tuple[int, int]] = []
    while tokens[at] == "(" and len(rows) <= MAX_ROWS:
        rows.append((at, statement.closers[at]))
        at = statement.closers[at] + 1
        if tokens[at] != ",":
            break
        at += 1
    return rows, at


def keys_of(
    keys: list[list[list[str | int]]], table: str, info: TableInfo, placeholders: Placeholders
) -> RowPin | str | None:
    made = ["default"], ["null"]
    if len(keys) == 1 and keys[0] and keys[0][0] in made and info.is_auto:
        return table
    params: list[int] = []
    literals: list[str] = []
    for value in keys:
        match value:
            case [[int() as index]] if placeholders.is_certain:
                params.append(index)
            case [[str() as token]] if info.kind and is_key(token, info.kind):
                literals.append(str(int(token)))
            case _:
                return None
    return RowPin(table, info.kind, tuple(params), tuple(literals)) if keys and info.kind else None


def is_list_of_names(tokens: list[str]) -> bool:
    return len(tokens) % 2 == 1 and all(
        token == "," if index % 2 else is_name(token) for index, token in enumerate(tokens)
    )


def ends_plainly(tokens: list[str], at: int) -> bool:
    """Say whether nothing follows but RETURNING of columns under their own names."""
    rest = [token for token in tokens[at:] if token not in (END, ";")]
    if not rest:
        return True
    return rest[0] == "returning" and (rest[1:] == ["*"] or is_list_of_names(rest[1:]))
