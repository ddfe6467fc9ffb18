"""Random statements, made to lead a reader of SQL astray."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Choose", "Random", "nested", "pinning"]

Choose = Callable[[Sequence[str]], str]
Grammar = Mapping[str, Sequence[str]]


def written(choose: Choose, form: str, grammar: Grammar, shallow: Grammar, depth: int = 0) -> str:
    """Choose a text of a form and fill in the forms that it names; past a depth only shallow ones."""
    texts = shallow.get(form, grammar[form]) if depth > 7 else grammar[form]
    return re.sub(
        "<([a-z]+)>",
        lambda inner: written(choose, inner[1], grammar, shallow, depth + 1),
        choose(texts),
    )


NESTING = {
    "statement": [
        "<query>", "<query>", "<query>", "EXPLAIN QUERY PLAN <query>", "INSERT INTO t (a) <query>",
        "INSERT INTO <name> (a) VALUES ((<query>))", "REPLACE INTO t (a) <query> RETURNING a",
        "UPDATE <name> SET a = (<query>) WHERE a IN (<query>)",
        "UPDATE t SET (a, b) = (SELECT 1, <value> FROM <source>), id = id FROM <source> WHERE 0",
        "DELETE FROM <name> WHERE (<query>) RETURNING (<query>)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = (<query>)",
    ],
    "name": ["t", "u", "t", "u", "secret", '"t"', "main.u", "[secret]", "'u'", "`t`", "main . secret", "T"],
    "query": [
        "<select>", "<select>", "<select>", "<select>", "VALUES (1)", "VALUES (1), ((<query>))",
        "WITH <cte> AS (<query>) <select>", "WITH <cte>(a) AS (<query>) <select>",
        "WITH <cte> AS (<query>), <cte>(a) AS MATERIALIZED (<query>) <select>",
        "WITH RECURSIVE <cte>(a) AS NOT MATERIALIZED (<query>) <select>",
        "<select> UNION <select>", "<select> EXCEPT <select>", "<select> INTERSECT <query>",
    ],
    "select": [
        "SELECT <value> FROM <source>", "SELECT <value> FROM <source>",
        "SELECT <value> FROM <source> WHERE <condition>",
        "SELECT DISTINCT <value> FROM <source> GROUP BY <value>",
        "SELECT <value> FROM <source> GROUP BY 1 HAVING <condition>",
        "SELECT <value> FROM <source> WINDOW w AS (ORDER BY 1), w2 AS (PARTITION BY 1)",
    ],
    "cte": ["c", "d", "secret", "t"],
    "value": [
        "1", "1", "1", "(<query>)", "coalesce(1, (<query>))", "CASE WHEN <condition> THEN 1 END",
        "replace('a', 'FROM secret', ',')",
    ],
    "condition": [
        "1", "1", "1 IN (1, 2)", "1 IN (<query>)", "EXISTS (<query>)", "1 IN <name>",
        "NOT EXISTS (<query>) AND 1 NOT IN <name>", "(<query>) IS NOT DISTINCT FROM 1",
        "(<query>) BETWEEN 1 AND (<query>)",
    ],
    "source": [
        "<item>", "<item>", "<item>", "<item>, <item>", "(<item>, <item>)",
        "<item> JOIN <item> ON <condition>",
        "<item> LEFT OUTER JOIN (<source>)", "<item> CROSS JOIN <item> JOIN <name>",
        "<name> AS offset, <item>", "<name> window, <item>", "(<source>) JOIN (<item>, <item>)",
    ],
    "item": [
        "<name>", "<name>", "<name>", "v", "c", "d", "(<query>)", "(<query>) AS s", "<name> NOT INDEXED",
        "<name> AS 'x'", "json_each('[1]')",
    ],
}  # fmt: skip
"""Reads of ``t``, ``u``, the view ``v`` and the ``secret`` wherever SQLite takes a table."""

SHALLOW = {
    "query": ["SELECT 1"],
    "value": ["1"],
    "condition": ["1"],
    "source": ["<name>"],
    "item": ["<name>"],
}


POSTGRESQL_NESTING = {
    "statement": [
        "<query>", "<query>", "<query>", "INSERT INTO t (a) <query>", "TABLE <name>",
        "INSERT INTO <name> (a) VALUES ((<query>))",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = (<query>) RETURNING (<query>)",
        "UPDATE <name> SET a = (<query>) WHERE a IN (<query>)",
        "UPDATE t SET (a, b) = (SELECT 1, <value> FROM <source>) FROM <source> WHERE <condition>",
        "DELETE FROM <name> AS d USING <source> WHERE <condition> RETURNING (<query>)",
        "MERGE INTO t USING (<query>) AS m ON true WHEN MATCHED THEN UPDATE SET a = (<query>) <merge>",
        "WITH w AS (DELETE FROM <name> RETURNING a), x AS (INSERT INTO t (a) <query> RETURNING 1) TABLE x",
    ],
    "merge": ["WHEN NOT MATCHED THEN INSERT (a) VALUES ((<query>))", "WHEN NOT MATCHED THEN DO NOTHING"],
    "name": ["t", "u", "t", "u", "secret", '"t"', "public.u", "ONLY t", "public . secret", "T"],
    "query": [
        *NESTING["query"], "(<query>)", "TABLE w", "(TABLE x) UNION <select>",
    ],
    "select": [
        "SELECT <value> FROM <source>", "SELECT <value> FROM <source>",
        "SELECT <value> FROM <source> WHERE <condition>", "SELECT FROM <source>",
        "SELECT DISTINCT <value> FROM <source> GROUP BY 1", "SELECT <value> FROM <source> FOR UPDATE",
        "SELECT <value> FROM <source> GROUP BY () HAVING <condition>",
        "SELECT <value> FROM <source> WINDOW w AS (ORDER BY 1), w2 AS (PARTITION BY 1)",
    ],
    "cte": NESTING["cte"],
    "value": [
        "1", "1", "1", "(<query>)", "coalesce(1, (<query>))", "CASE WHEN <condition> THEN 1 END",
        "length(substring('a' FROM 1 FOR 2))", "extract(year FROM now())::numeric(9, 0)::int",
        "length(trim(both FROM $$ FROM secret $$))",
        "(SELECT count(*) FILTER (WHERE <condition>) FROM u)::int",
    ],
    "condition": [
        "true", "true", "1 IN (1, 2)", "1 IN (<query>)", "EXISTS (<query>)", "1 = ANY (<query>)",
        "NOT EXISTS (<query>)", "(<query>) IS NOT DISTINCT FROM 1", "(<query>) BETWEEN 1 AND (<query>)",
        "1 IS DISTINCT FROM (<query>)", "1 = ALL (TABLE w)",
    ],
    "source": [
        "<item>", "<item>", "<item>", "<item>, <item>", "<item> JOIN <item> ON <condition>",
        "(<item> CROSS JOIN <item>)", "<item> LEFT JOIN (<item> CROSS JOIN <item>) ON <condition>",
        "<item>, LATERAL (<query>) AS <alias>", "<item> NATURAL JOIN <item>",
    ],
    "item": [
        "<name> <alias>", "<name> AS <alias>", "<name> AS <alias> (a)", "v", "c", "d", "w",
        "(<query>) <alias>", "(<query>) AS <alias> (a)", "generate_series(1, 2) AS <alias>",
        "secret <alias> TABLESAMPLE system (1)", "unnest(ARRAY[1]) WITH ORDINALITY AS <alias> (a, b)",
    ],
    "alias": [f"x{number}" for number in range(50)],
}  # fmt: skip
"""The same for PostgreSQL."""


def nested(choose: Choose, vendor: str = "sqlite") -> str:
    """Write a statement that nests tables a few levels deep."""
    grammar = NESTING if vendor == "sqlite" else POSTGRESQL_NESTING
    shallow = {**SHALLOW, "condition": ["1" if vendor == "sqlite" else "true"]}
    return written(choose, "statement", grammar, shallow)


class Random(NamedTuple):
    """A statement and the parameters of its placeholders."""

    sql: str
    params: list[int]


SOURCES = {
    "t": ["t"],
    "t x": ["x"],
    "t AS u": ["u"],
    "t JOIN u ON <condition>": ["t", "u"],
    "t x JOIN u ON <condition>": ["x", "u"],
    "t LEFT JOIN u y ON <condition>": ["t", "y"],
    "t AS x, u y": ["x", "y"],
    "t AS u JOIN u AS t ON <condition>": ["t", "u"],
    "t JOIN t z ON <condition>": ["t", "z"],
    "t x JOIN (SELECT id, a AS b, b AS a FROM t) z ON <condition>": ["x", "z"],
}
"""Sources of rows, and by what names their columns are qualified."""

PINNING = {
    "select": [
        "SELECT <column> FROM <source> WHERE <condition>",
        "SELECT <column> FROM <source> WHERE <condition>",
        "SELECT count(*) FROM <source> WHERE <condition>",
        "SELECT sum(<column>) FROM <source> WHERE <condition> GROUP BY <column>",
        "SELECT <column> FROM <source> GROUP BY <column> HAVING <condition>",
        "SELECT <column> FROM <source> WHERE <condition> GROUP BY <column> HAVING <condition>",
        "SELECT <column>, (SELECT max(id) FROM t) FROM <source> WHERE <condition>",
        "SELECT <column>, CASE WHEN <atom> OR 1 THEN 2 END FROM <source> WHERE <condition>",
        "SELECT <column> FROM <source> WHERE <condition> ORDER BY <column>",
        "SELECT <column> FROM <source> WHERE <condition> UNION ALL SELECT a FROM t",
        "SELECT <column> FROM <source> UNION SELECT id FROM u WHERE id = %s",
        "SELECT <column> FROM <source>",
    ],
    "change": [
        "UPDATE t SET <assignment> WHERE <condition>",
        "DELETE FROM t WHERE <condition>",
    ],
    "assignment": [
        "a = %s", "a = a + 1", "b = %s, id = id + 10", "b = CASE WHEN id = %s THEN 1 END", "(a, b) = (1, 2)",
        "a = (SELECT max(a) FROM u)", "rowid = %s + 20",
    ],
    "column": ["<name>.<field>", "<name>.<field>", '"<name>"."<field>"'],
    "field": ["id", "id", "id", "a", "b"],
    "condition": [
        "<atom>", "<atom>", "<atom>", "<condition> AND <condition>", "<condition> AND <condition>",
        "<condition> AND <condition>", "<condition> OR <condition>", "(<condition>)", "(<condition>)",
        "NOT (<condition>)", "((1) AND (<condition>))", "(<condition>) IS NOT 7", "<trap>", "<trap>",
    ],
    "atom": [
        *["<column> = %s"] * 6, "<column> IN (%s, %s)", "<column> IN (%s)", "<column> = 3",
        "<column> = %s + 1", "<column> + 0 = %s", "<column> = -%s", "<column> = %s IS NOT NULL",
        "<column> = %s COLLATE nocase", "<column> > %s", "<column> IN (1, %s)", "<column> NOT IN (%s)",
        "<column> == %s", "<column> <= %s", "<column> = +%s", "<column> = %s = 1", "<column> IS NOT %s",
        "<column> = (%s)", "<column> IN (SELECT %s)",
    ],
    "trap": [
        "<column> BETWEEN 1 AND <atom>",
        "<column> BETWEEN %s AND %s AND <atom>",
        "CASE WHEN 1 AND <atom> AND 0 THEN 0 ELSE 1 END",
        "EXISTS (SELECT 1 FROM u AS w WHERE w.id = %s AND <atom>)",
        "(SELECT count(*) = 0 FROM u AS w WHERE w.a = 1 AND <atom>)",
        "(SELECT count(*) FROM t AS v WHERE v.id = %s AND <atom>)",
        "<column> IN (SELECT id FROM t)",
        "1 OR <atom>",
        "NOT <atom>",
        "<atom> IS NULL",
        "coalesce(<atom>, 1)",
        "(%s, <column>) = (1, <column>) AND <atom>",
    ],
}  # fmt: skip
"""Statements over ``t`` and ``u``, both with the columns ``id``, ``a`` and ``b``."""


def pinning(choose: Choose) -> Random:
    """Write a statement whose conditions pin rows, or look as if they did."""
    form = choose(["select", "select", "change"])
    source = choose(list(SOURCES)) if form == "select" else "t"
    names = SOURCES[source]
    columns = ["<field>", *PINNING["column"]] if len(names) == 1 else PINNING["column"]
    grammar = {**PINNING, "source": [source], "name": names, "column": columns}
    sql = written(choose, form, grammar, {"condition": ["<atom>"]}, depth=3)
    return Random(sql, [int(choose("12345")) for _ in range(sql.count("%s"))])
