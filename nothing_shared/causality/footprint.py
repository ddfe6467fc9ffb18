"""The footprint of a SQL statement: which tables, and which of their rows, it reads and writes.

What cannot be understood counts as more, never as less.
"""

from __future__ import annotations

from typing import Any

from nothing_shared.causality.keys import keys_by_table
from nothing_shared.causality.relations import Schema
from nothing_shared.causality.rows import MAX_ROWS, RowPin
from nothing_shared.causality.touched import EVERYTHING, Footprint, Touched
from nothing_shared.causality.understanding import understand

__all__ = ["Footprint", "RowPin", "Touched", "analyse", "bind"]


def analyse(sql: object, schema: Schema) -> Footprint:
    """Return the footprint of a statement: text, bytes or ``psycopg.sql``; never raises."""
    if type(sql) is str:
        known: Footprint | None = schema.memo.known.get(sql)
        if known is not None:
            return known
    text = text_of(sql)
    if text is None:
        return EVERYTHING
    footprint = schema.memo.known.get(text)
    if footprint is None:
        try:
            footprint = understand(text, schema)
        except Exception:  # a fault of ours must not hide a change
            footprint = EVERYTHING
        schema.memo.add(text, footprint)
    return footprint


def text_of(sql: object) -> str | None:
    """Return a statement as text; None if that takes a connection, or it is none."""
    try:
        if isinstance(sql, str):
            return str(sql)
        if isinstance(sql, (bytes, bytearray, memoryview)):
            return bytes(sql).decode()
        return str(sql.as_string(None))  # type: ignore[attr-defined]
    except Exception:
        return None


def bind(footprint: Footprint, params: Any, many: bool = False) -> Touched:
    """Return what a statement touches with these parameters; with ``many``, with all sets of them."""
    if footprint.is_settled:
        return footprint.at_large
    executions = params if many else (params,)
    if type(executions) not in (list, tuple) or len(executions) > MAX_ROWS:
        return footprint.at_large
    if many and footprint.inserts and executions:
        return footprint.at_large
    total = footprint.placeholders
    read = keys_by_table(footprint.read_rows, executions, total)
    written = keys_by_table(footprint.written_rows, executions, total)
    at_large = footprint.at_large
    return Touched(
        footprint.reads if read is not None else at_large.reads,
        read or {},
        footprint.writes if written is not None else at_large.writes,
        written or {},
        footprint.inserts,
        footprint.reads_unknown,
        footprint.writes_unknown,
    )
