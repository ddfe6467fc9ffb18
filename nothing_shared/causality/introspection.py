"""Ask a database what its statements reach without naming it: views, triggers, functions, cascades.

Through the driver's own cursor, so that neither Django's query log nor anyone's wrapper hears it.
"""

from __future__ import annotations

from typing import Any, Protocol

from nothing_shared.causality.findings import Cascade, Findings
from nothing_shared.causality.postgresql import PostgreSQL

__all__ = ["INTROSPECTIONS", "Introspection"]


class Introspection(Protocol):
    """Knows one database's catalog."""

    def is_idle(self, raw: Any) -> bool:
        """Say whether the connection is outside any transaction, so that a question disturbs none."""

    def ask(self, raw: Any) -> Findings:
        """Return what the catalog says; raises what the driver raises."""


class SQLite:
    SCHEMAS = "SELECT name FROM pragma_database_list"
    OBJECTS = "SELECT type, name, tbl_name, sql FROM {name}.sqlite_master WHERE sql IS NOT NULL"
    KEYS = (
        'SELECT f."table", m.name, f.on_delete, f.on_update FROM {name}.sqlite_master AS m '
        "JOIN pragma_foreign_key_list(m.name, {text}) AS f WHERE m.type = 'table'"
    )
    TRANSPARENT_MODULES = ("fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly")
    """Virtual tables that show nothing but what is written to them or what their definition names."""

    def is_idle(self, raw: Any) -> bool:
        return not raw.in_transaction

    def ask(self, raw: Any) -> Findings:
        found = Findings()
        cursor = raw.cursor()
        for (schema,) in cursor.execute(self.SCHEMAS).fetchall():
            name, text = (
                '"' + schema.replace('"', '""') + '"',
                "'" + schema.replace("'", "''") + "'",
            )
            for row in cursor.execute(self.OBJECTS.format(name=name)).fetchall():
                self._note(found, *row)
            for parent, child, *actions in cursor.execute(self.KEYS.format(name=name, text=text)):
                on_delete, on_update = (
                    action not in ("NO ACTION", "RESTRICT") for action in actions
                )
                found.cascades.append(Cascade(parent, child, on_delete, on_update))
        cursor.close()
        return found

    def _note(self, found: Findings, kind: str, name: str, table: str, sql: str) -> None:
        if kind == "view":
            found.views.add(name)
            found.queries.append((name, sql))
        elif kind == "trigger":
            found.triggers.append((table, sql))
        elif kind == "table" and not name.lower().startswith("sqlite_"):  # it writes those itself
            found.tables.add(name)
            self._note_table(found, name, sql, sql.lower().split())

    def _note_table(self, found: Findings, name: str, sql: str, words: list[str]) -> None:
        if words[1:2] != ["virtual"]:
            found.rewriting.update([name] if "conflict" in words else [])
        elif self._module(words) in self.TRANSPARENT_MODULES:
            found.definitions.append((name, sql))
        else:
            found.opaque.add(name)

    def _module(self, words: list[str]) -> str:
        after = words[words.index("using") + 1 :] if "using" in words else [""]
        return after[0].partition("(")[0].strip("\"'`[]")


INTROSPECTIONS: dict[str, Introspection] = {"sqlite": SQLite(), "postgresql": PostgreSQL()}
