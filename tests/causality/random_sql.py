"""Random statements over two tables, made to lead a reader of SQL astray."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["Choose", "Random", "Writer", "nested"]

Choose = Callable[[Sequence[str]], str]


@dataclass
class Random:
    """One statement and the parameters of its placeholders."""

    sql: str
    params: list[int]


@dataclass
class Writer:
    """Writes statements over ``t`` and ``u``, both with columns ``id``, ``a`` and ``b``."""

    choose: Choose
    names: list[str] = field(default_factory=list)
    depth: int = 0

    def statement(self) -> Random:
        sql = self._of({"select": self.select, "update": self.update, "delete": self.delete})
        params = [int(self.choose("12345")) for _ in range(sql.count("%s"))]
        return Random(sql, params)

    def _of(self, forms: dict[str, Callable[[], str]]) -> str:
        return forms[self.choose(list(forms))]()

    def select(self) -> str:
        source = self.source()
        column = self.column()
        shown = self.choose(
            [
                f"{column}",
                "count(*)",
                f"{column}, CASE WHEN {column} = %s OR 1 THEN 2 END",
                f"sum({column})",
            ]
        )
        if self.depth == 0 and self.choose("xxxy") == "y":
            shown = f"{column}, (SELECT max(id) FROM {self.choose(['t', 'u'])})"
        grouped = f" GROUP BY {column}"
        tail = self.choose(
            ["", "", grouped, f"{grouped} HAVING {column} = %s", f" ORDER BY {column}"]
        )
        joined = self.choose(
            ["", "", "", "", " UNION ALL SELECT a FROM t", " UNION SELECT id FROM u WHERE id = %s"]
        )
        if joined and ("," in shown or "ORDER" in tail):
            joined = ""
        where = self.choose(["", " WHERE ", " WHERE ", " WHERE ", " WHERE "])
        return f"SELECT {shown} FROM {source}{where and where + self.condition()}{tail}{joined}"

    def source(self) -> str:
        alias = self.choose(["", "", " x", " AS x", " AS u"])
        first = alias.split()[-1] if alias else "t"
        more = self.choose(
            ["", "", "", " JOIN u ON ", " LEFT JOIN u y ON ", ", u y", " JOIN t z ON ", " CROSS"]
        )
        if more == " CROSS":
            more = " JOIN (SELECT id, a AS b, b AS a FROM t) z ON "
        if "JOIN u ON" in more and first == "u":
            more = ""
        second = more.split()[-2] if more.endswith(" ON ") else more.split()[-1] if more else ""
        self.names = [first, *([second] if second else [])]
        return f"t{alias}{more}{self.condition() if more.endswith(' ON ') else ''}"

    def update(self) -> str:
        self.names = ["t"]
        change = self.choose(["a = %s", "a = a + 1", "b = %s, id = id + 10", "b = CASE WHEN id = %s THEN 1 END",
                              "(a, b) = (1, 2)", "a = (SELECT max(a) FROM u)", "rowid = %s + 20"])  # fmt: skip
        return f"UPDATE t SET {change} WHERE {self.condition()}"

    def delete(self) -> str:
        self.names = ["t"]
        return f"DELETE FROM t WHERE {self.condition()}"

    def column(self) -> str:
        name = self.choose(self.names)
        column = self.choose(["id", "id", "id", "a", "b"])
        bare = column if len(self.names) == 1 else f"{name}.{column}"
        return self.choose([bare, f"{name}.{column}", f'"{name}"."{column}"'])

    def condition(self) -> str:
        if self.depth > 2:
            return self.atom()
        self.depth += 1
        try:
            return self._of(
                {
                    "1": self.atom, "2": self.atom, "3": self.atom, "4": self.both, "5": self.both, "6": self.both,
                    "7": self.either, "8": self.wrapped, "9": self.trap,
                }
            )  # fmt: skip
        finally:
            self.depth -= 1

    def both(self) -> str:
        return f"{self.condition()} AND {self.condition()}"

    def either(self) -> str:
        return f"{self.condition()} OR {self.condition()}"

    def wrapped(self) -> str:
        shape = self.choose(["(?)", "(?)", "NOT (?)", "((1) AND (?))", "(?) IS NOT 7"])
        return shape.replace("?", self.condition())

    def atom(self) -> str:
        column = self.column()
        return f"{column} " + self.choose(
            ["= %s", "= %s", "= %s", "= %s", "IN (%s, %s)", "IN (%s)", "= 3", "= %s + 1", "+ 0 = %s", "= -%s",
             "= %s IS NOT NULL", "= %s COLLATE nocase", "> %s", "IN (1, %s)", "NOT IN (%s)", "== %s", "<= %s",
             "= +%s", "= %s = 1", "IS NOT %s", "= (%s)", "IN (SELECT %s)"]
        )  # fmt: skip

    def trap(self) -> str:
        column = self.column()
        return self.choose(
            [
                f"{column} BETWEEN 1 AND {self.atom()}",
                f"CASE WHEN 1 AND {self.atom()} AND 0 THEN 0 ELSE 1 END",
                f"{column} BETWEEN %s AND %s AND {self.atom()}",
                f"(SELECT count(*) = 0 FROM u AS w WHERE w.a = 1 AND {self.atom()})",
                f"EXISTS (SELECT 1 FROM u AS w WHERE w.id = %s AND {self.atom()})",
                f"(SELECT count(*) FROM t AS v WHERE v.id = %s AND {self.atom()})",
                f"{column} IN (SELECT id FROM t)",
                f"1 OR {self.atom()}",
                f"NOT {self.atom()}",
                f"{self.atom()} IS NULL",
                f"coalesce({self.atom()}, 1)",
                f"(%s, {column}) = (1, {column}) AND {self.atom()}",
            ]
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
        "SELECT <value> FROM <source> WHERE <condition>", "SELECT DISTINCT <value> FROM <source> GROUP BY <value>",
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
        "<item>", "<item>", "<item>", "<item>, <item>", "<item> JOIN <item> ON <condition>", "(<item>, <item>)",
        "<item> LEFT OUTER JOIN (<source>)", "<item> CROSS JOIN <item> JOIN <name>",
        "<name> AS offset, <item>", "<name> window, <item>", "(<source>) JOIN (<item>, <item>)",
    ],
    "item": [
        "<name>", "<name>", "<name>", "v", "c", "d", "(<query>)", "(<query>) AS s", "<name> NOT INDEXED",
        "<name> AS 'x'", "json_each('[1]')",
    ],
}  # fmt: skip
"""Forms that read ``t``, ``u``, the view ``v`` and the ``secret`` in every place where SQLite takes a table."""

SHALLOW = {
    "query": ["SELECT 1"],
    "value": ["1"],
    "condition": ["1"],
    "source": ["<name>"],
    "item": ["<name>"],
}


def nested(choose: Choose, form: str = "statement", depth: int = 0) -> str:
    """Write a random statement, nested a few levels deep."""
    forms = SHALLOW.get(form, NESTING[form]) if depth > 7 else NESTING[form]
    return re.sub("<([a-z]+)>", lambda inner: nested(choose, inner[1], depth + 1), choose(forms))
