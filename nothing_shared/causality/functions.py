"""Which functions, called in a statement, touch no table that the statement does not name."""

from __future__ import annotations

from typing import Literal

from nothing_shared.causality.relations import Schema

__all__ = ["COMMON", "RESERVED", "SQLITE_TABLE_FUNCTIONS", "SYNTAX", "effect_of_call", "is_call"]

COMMON = frozenset(
    """
    abs avg bool_and bool_or ceil ceiling char_length character_length chr coalesce concat concat_ws
    cos count cume_dist date_trunc dense_rank exp first_value floor greatest group_concat ifnull instr
    lag last_value lead least length ln log lower lpad ltrim max md5 min mod now nth_value ntile nullif
    octet_length percent_rank pi power radians random rank repeat replace reverse round row_number rpad
    rtrim sign sin sqrt stddev_pop stddev_samp string_agg substr sum tan translate trunc unnest upper
    var_pop var_samp variance
    """.split()
)
"""Functions that most databases have built in."""

SYNTAX = frozenset(
    """
    array bigint bit boolean cast char character coalesce collation current_time current_timestamp dec
    decimal double exists extract float greatest grouping int integer interval json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    least localtime localtimestamp merge_action nchar normalize nullif numeric overlay position
    precision real row smallint substring time timestamp treat trim varchar varying xmlattributes
    xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable zone
    """.split()
)
"""What looks like a call and is part of the language: nobody can define a function of that name."""

RESERVED = frozenset(
    """
    all analyse analyze and any as asc asymmetric between both case check constraint cross default desc
    distinct else end except fetch for foreign from full group having ilike in inner intersect into is
    isnull join lateral leading left like limit natural not notnull offset on only or order outer
    overlaps placing primary references returning right select similar some symmetric table tablesample
    then to trailing union unique using values variadic when where window with
    """.split()
)
"""Words before ``(`` that call no function."""

CALLS_NOTHING_AFTER = {
    "by": ("group", "order", "partition"),
    "conflict": ("on",),
    "cube": ("by",),
    "insert": ("then",),
    "materialized": ("not",),
    "rollup": ("by",),
    "sets": ("grouping",),
    "varying": ("character",),
}
"""Words before ``(`` that call no function where they follow another."""

SQLITE_TABLE_FUNCTIONS = frozenset(("generate_series", "json_each", "json_tree"))


def is_call(name: str, before: str) -> bool:
    """Say whether a name before ``(`` calls a function, given the token before it.

    After ``)``, AS or ``::`` it is a column alias, a type or a clause.
    """
    is_clause = name in RESERVED or before in CALLS_NOTHING_AFTER.get(name, ())
    return not (is_clause or before in (")", "as", ":"))


def effect_of_call(name: str, schema: Schema) -> Literal["harmless", "reads", "acts"]:
    """Return what a call may do; what is not known to be harmless may do anything."""
    if name in schema.acting:
        return "acts"
    if name in schema.readers:
        return "reads"
    if schema.functions is None or name in schema.functions or name in SYNTAX:
        return "harmless"
    return "acts"
