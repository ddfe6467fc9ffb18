"""Which functions, called in a statement, read and write no table that the statement does not name."""

from __future__ import annotations

from typing import Literal

from nothing_shared.causality.relations import Schema

__all__ = ["SQLITE_TABLE_FUNCTIONS", "Effect", "effect_of_call", "is_call"]

Effect = Literal["harmless", "reads", "acts"]

COMMON = frozenset(
    """
    abs avg bool_and bool_or ceil ceiling char_length character_length chr coalesce concat concat_ws
    cos count cume_dist current_timestamp date_trunc dense_rank exp first_value floor greatest
    group_concat ifnull instr json_array json_object lag last_value lead least length ln localtimestamp
    log lower lpad ltrim max md5 min mod now nth_value ntile nullif octet_length percent_rank pi power
    radians random rank repeat replace reverse round row_number rpad rtrim sign sin sqrt stddev_pop
    stddev_samp string_agg substr sum tan translate trunc upper var_pop var_samp variance
    """.split()
)
"""Functions that every database has built in."""

SYNTAX = frozenset(
    """
    array cast coalesce collation exists extract greatest grouping interval json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    least merge_action national normalize nullif overlay position row substring treat trim xmlattributes
    xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable
    bigint bit boolean char character dec decimal double float int integer nchar numeric precision real
    smallint time timestamp varchar varying zone
    current_time current_timestamp localtime localtimestamp
    """.split()
)
"""What looks like a call and is part of the language: no one can define a function of that name."""

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

CALL_LIKE = frozenset(
    (
        ("on", "conflict"), ("group", "by"), ("order", "by"), ("partition", "by"), ("grouping", "sets"),
        ("by", "rollup"), ("by", "cube"), ("not", "materialized"), ("character", "varying"),
    )
)  # fmt: skip
"""Words that call no function where they follow that word."""

SQLITE_TABLE_FUNCTIONS", "Effect", "effect_of_call", "is_call"]

Effect = Literal["harmless", "reads", "acts"]

COMMON = frozenset(
    """
    abs avg bool_and bool_or ceil ceiling char_length character_length chr coalesce concat concat_ws
    cos count cume_dist current_timestamp date_trunc dense_rank exp first_value floor greatest
    group_concat ifnull instr json_array json_object lag last_value lead least length ln localtimestamp
    log lower lpad ltrim max md5 min mod now nth_value ntile nullif octet_length percent_rank pi power
    radians random rank repeat replace reverse round row_number rpad rtrim sign sin sqrt stddev_pop
    stddev_samp string_agg substr sum tan translate trunc upper var_pop var_samp variance
    """.split()
)
"""Functions that every database has built in."""

SYNTAX = frozenset(
    """
    array cast coalesce collation exists extract greatest grouping interval json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    least merge_action national normalize nullif overlay position row substring treat trim xmlattributes
    xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable
    bigint bit boolean char character dec decimal double float int integer nchar numeric precision real
    smallint time timestamp varchar varying zone
    current_time current_timestamp localtime localtimestamp
    """.split()
)
"""What looks like a call and is part of the language: no one can define a function of that name."""

RESERVED = frozenset(
    """
    all and any as asc between both by case check constraint cross default desc distinct else end
    except exists fetch filter for foreign from full group having ilike in inner intersect into is isnull
    join key lateral leading left like limit natural not notnull nothing offset on only or order outer
    over overlaps partition primary references returning right select set similar some symmetric table
    tablesample then to trailing union unique using values when where window with within
    """.split()
)

CALL_LIKE = frozenset(
    (
        ("on", "conflict"), ("group", "by"), ("order", "by"), ("partition", "by"), ("grouping", "sets"),
        ("group", "rollup"), ("by", "rollup"), ("by", "cube"), ("not", "materialized"),
    )  # fmt: skip
)
"""Words that no function call can be when they follow that word."""

SQLITE_TABLE_FUNCTIONS = frozenset(("json_each", "json_tree", "generate_series"))


def is_call(name: str, before: str) -> bool:
    """Say whether a name before ``(`` calls a function, given the token before it.

    After ``)``, AS or ``::`` it is a column alias, a type or a clause.
    """
    return not (before in (")", "as", ":") or name in RESERVED or (before, name) in CALL_LIKE)


def effect_of_call(name: str, schema: Schema) -> Effect:
    """Return what a call may do; what is not known to be harmless may do anything."""
    if name in schema.acting:
        return "acts"
    if name in schema.readers:
        return "reads"
    if schema.functions is None or name in schema.functions or name in SYNTAX:
        return "harmless"
    return "acts"
