"""Understand one SQL text: from tokens to a footprint."""

from __future__ import annotations

from nothing_shared.causality.inserts import inserted
from nothing_shared.causality.relations import Reach, Schema
from nothing_shared.causality.rows import Placeholders, RowPin, pins
from nothing_shared.causality.sql import END, fold, is_name, parts, tokenise
from nothing_shared.causality.standby import binds_session, can_answer, statements
from nothing_shared.causality.statement import Mention, Statement
from nothing_shared.causality.touched import (
    ANY_DATA,
    ANYTHING,
    BINDING,
    EVERYTHING,
    NOTHING,
    REMAKING,
    Footprint,
)

__all__ = ["understand"]

LONGEST_TEXT = 2_000_000
"""Characters; a longer statement is not looked at, and may do anything."""

QUERIES = frozenset("( delete insert merge replace select table update values with".split())
PINNING = frozenset("delete select update".split())
DELETING = frozenset("delete merge replace".split())
READING_ITS_TARGET = frozenset("delete merge update".split())

ENDS_OR_BEGINS = frozenset("begin commit end release rollback savepoint start".split())
CONFIGURES = {
    "postgresql": frozenset(
        """
        abort analyze checkpoint close cluster comment deallocate discard listen lock notify reindex reset
        set show unlisten vacuum
        """.split()
    ),
    "sqlite": frozenset(("analyze", "pragma", "reindex")),
}
CHANGES_DATA_ONLY = frozenset("copy fetch move refresh truncate vacuum".split())
READING_PRAGMAS = frozenset("foreign_key_check integrity_check quick_check".split())
WRITING_PRAGMAS = frozenset(("writable_schema",))

BEFORE_EXPLAINED = frozenset(") analyse analyze explain plan verbose".split())


def understand(text: str, schema: Schema) -> Footprint:
    """Return the footprint of a text; what is not one statement of a known kind may do anything."""
    tokens = tokenise(fold(text), schema.vendor) if len(text) <= LONGEST_TEXT else None
    if tokens is None:
        return EVERYTHING
    if ";" in tokens[:-2]:
        return EVERYTHING if any(map(binds_session, statements(tokens))) else REMAKING
    if tokens[0] in QUERIES:
        return footprint_of(tokens, text, schema)
    if tokens[0] == "explain":
        return explained(tokens, text, schema)
    return of_command(tokens, schema)


def of_command(tokens: list[str], schema: Schema) -> Footprint:
    """Return the footprint of what is neither query nor data manipulation."""
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else END
    if first == END or (first in ENDS_OR_BEGINS and second != "prepared"):
        return NOTHING
    if first == "pragma" and schema.vendor == "sqlite":
        return of_pragma(second)
    if first in CONFIGURES.get(schema.vendor, ()) and not (first == "set" and "(" in tokens):
        return BINDING if binds_session(tokens) else NOTHING
    if first in ("create", "drop") and (second == "index" or tokens[1:3] == ["unique", "index"]):
        return NOTHING
    if first in CHANGES_DATA_ONLY:
        return ANY_DATA
    return EVERYTHING if binds_session(tokens) else REMAKING


def of_pragma(name: str) -> Footprint:
    bare = parts(name)[-1] if is_name(name) else END
    if bare in WRITING_PRAGMAS:
        return EVERYTHING
    return Footprint(reads_unknown=True) if bare in READING_PRAGMAS else NOTHING


def explained(tokens: list[str], text: str, schema: Schema) -> Footprint:
    """Return what EXPLAIN reads: its statement only runs under ANALYZE."""
    start = next((at for at in range(1, len(tokens)) if tokens[at] in QUERIES - {"("}), None)
    if start is None or tokens[start - 1] not in BEFORE_EXPLAINED:
        return EVERYTHING
    inner = footprint_of(tokens[start:], text, schema)
    if not inner.at_large.is_write:
        return inner
    if not {"analyze", "analyse"}.isdisjoint(tokens[:start]):
        return EVERYTHING
    return Footprint(reads=inner.at_large.reads, reads_unknown=inner.reads_unknown)


def footprint_of(tokens: list[str], text: str, schema: Schema) -> Footprint:
    statement = Statement(tokens, schema)
    if statement.makes_table:
        return EVERYTHING
    if statement.reads_unknown and statement.writes_unknown:
        return ANYTHING
    placeholders = Placeholders(tokens, fold(text))
    found = pins(statement, placeholders) if tokens[0] in PINNING else []
    made = inserted(statement, placeholders) if tokens[0] == "insert" else None
    reads, read_rows, reads_unknown = read_by(statement, found)
    written, made = ([made], None) if isinstance(made, RowPin) else (found, made)
    writes, written_rows, writes_unknown = written_by(statement, written, made)
    is_write = bool(writes or written_rows or made or writes_unknown)
    return Footprint(
        reads=reads,
        read_rows=read_rows,
        writes=writes,
        written_rows=written_rows,
        inserts=made,
        reads_unknown=reads_unknown,
        writes_unknown=writes_unknown,
        placeholders=placeholders.total if read_rows or written_rows else 0,
        is_replicable=not is_write and not statement.names_strangers and can_answer(tokens),
        binds_session=statement.writes_unknown or binds_session(tokens),
    )


Part = tuple[frozenset[str], tuple[RowPin, ...], bool]
"""Tables at large, rows, and whether there is anything else."""


def read_by(statement: Statement, pinned: list[RowPin]) -> Part:
    names = read_names(statement)
    rows = tuple(pin for pin in pinned if pin.table in names)
    reached = [statement.schema.read_through(name) for name in names - {pin.table for pin in rows}]
    is_unknown = statement.reads_unknown or None in reached
    return frozenset().union(*(tables for tables in reached if tables)), rows, is_unknown


def read_names(statement: Statement) -> set[str]:
    """Return all names that are read; the target of a plain INSERT is not."""
    written = {mention.name for mention in statement.mentions if mention.verb}
    read = {
        mention.name
        for mention in statement.mentions
        if not mention.verb or mention.verb in READING_ITS_TARGET or statement.is_upsert
    }
    return read | statement.loose | (statement.qualifiers - written)


def written_by(statement: Statement, pinned: list[RowPin], made: str | None) -> Part:
    targets = [mention for mention in statement.mentions if mention.verb]
    names = {target.name for target in targets}
    rows = tuple(pin for pin in pinned if pin.table in names)
    reached = [also_written(statement, target) for target in targets]
    at_large = names - {pin.table for pin in rows} - {made}
    acts = not statement.schema.acting.isdisjoint(names | read_names(statement))
    is_unknown = statement.writes_unknown or None in reached or acts
    return frozenset(at_large).union(*(tables for tables in reached if tables)), rows, is_unknown


def also_written(statement: Statement, target: Mention) -> Reach:
    deletes = target.verb in DELETING or statement.is_upsert
    return statement.schema.also_written(target.name, deleting=deletes)
