"""What PostgreSQL's catalog says of views, triggers, functions, cascades and row policies."""

from __future__ import annotations

import re
from typing import Any

from nothing_shared.causality.findings import Cascade, Findings
from nothing_shared.causality.functions import SYNTAX

__all__ = ["PostgreSQL"]

OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"

RELATIONS = f"""
SELECT c.relname, c.relkind::text, CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND {OURS}
"""

POLICIES = """
SELECT c.relname, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
"""

HEIRS = """
SELECT h.relname, p.relname FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class h ON h.oid = i.inhrelid JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
WHERE h.relkind NOT IN ('i', 'I')
"""

TRIGGERS = """
SELECT c.relname, f.proname, f.pronamespace = 'pg_catalog'::regnamespace
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid WHERE NOT t.tgisinternal
"""

RULES = """
SELECT c.relname FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
WHERE r.rulename <> '_RETURN'
"""

DEFAULTS = """
SELECT c.relname, f.proname FROM pg_catalog.pg_attrdef a
JOIN pg_catalog.pg_class c ON c.oid = a.adrelid
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
  AND d.refclassid = 'pg_catalog.pg_proc'::regclass
JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
"""

KEYS = """
SELECT p.relname, c.relname, k.confdeltype IN ('c', 'n', 'd'), k.confupdtype IN ('c', 'n', 'd')
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid WHERE k.contype = 'f'
"""

BUILT_IN = """
SELECT string_agg(DISTINCT proname::text, ' ') FROM pg_catalog.pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace
"""

FUNCTIONS = f"""
SELECT f.proname, e.extname, coalesce(
  (SELECT max(s.provolatile::text) FROM pg_catalog.pg_proc s
   WHERE s.oid IN (a.aggtransfn, a.aggfinalfn)), f.provolatile::text)
FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = f.oid
LEFT JOIN pg_catalog.pg_depend d ON d.objid = f.oid AND d.deptype = 'e'
  AND d.classid = 'pg_catalog.pg_proc'::regclass
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE {OURS} AND f.prokind <> 'p'
  AND f.prorettype NOT IN ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
"""
"""Volatility as one letter, of which the greatest is the worst: i(mmutable), s(table), v(olatile)."""

ACTING = re.compile(
    r"(query|table|cursor|schema|database)_to_xml\w*|ts_stat|ts_rewrite|lo_\w+|lowrite|loread"
)
"""Functions of PostgreSQL that run a text, or work on large objects."""

READING = re.compile(
    r"pg_(?!typeof|sleep|advisory|try_advisory|notify|backend_pid|is_in_recovery|current|last_|wal_lsn_diff|"
    r"size_pretty|column_|client_encoding|get_serial_sequence|input_|my_temp_schema|snapshot|visible_in)\w+"
)
"""Functions of PostgreSQL that look at the server or at tables."""

HARMLESS_TRIGGERS = frozenset(
    (
        "suppress_redundant_updates_trigger",
        "tsvector_update_trigger",
        "tsvector_update_trigger_column",
    )
)
HARMLESS_EXTENSIONS = frozenset(
    """
    bloom btree_gin btree_gist citext cube earthdistance fuzzystrmatch hstore intarray isn ltree pg_trgm
    pgcrypto postgis postgis_raster seg unaccent uuid-ossp vector
    """.split()
)


class PostgreSQL:
    def is_idle(self, raw: Any) -> bool:
        return int(raw.info.transaction_status) == 0

    def ask(self, raw: Any) -> Findings:
        try:
            return self._ask(raw.cursor())
        finally:
            if not raw.autocommit:
                raw.rollback()

    def _ask(self, cursor: Any) -> Findings:
        def rows(query: str) -> list[Any]:
            cursor.execute(query)
            return list(cursor.fetchall())

        found = Findings()
        for relation in rows(RELATIONS):
            self._note_relation(found, *relation)
        for table, *conditions in rows(POLICIES):
            found.queries.extend((table, f"SELECT {text}") for text in conditions if text)
        found.heirs.extend((heir, parent) for heir, parent in rows(HEIRS))
        found.cascades.extend(Cascade(*key) for key in rows(KEYS))
        self._note_functions(found, rows(BUILT_IN)[0][0].split(), rows(FUNCTIONS))
        for table, function, is_built_in in rows(TRIGGERS):
            if not (is_built_in and function in HARMLESS_TRIGGERS):
                found.triggers.append((table, None))
        found.triggers.extend((table, None) for (table,) in rows(RULES))
        found.triggers.extend(
            (table, None) for table, name in rows(DEFAULTS) if name in found.acting
        )
        return found

    def _note_relation(self, found: Findings, name: str, kind: str, definition: str | None) -> None:
        if kind == "v":
            found.views.add(name)
            found.queries.append((name, (definition or "").rstrip().removesuffix(";")))
        elif kind == "f":
            found.opaque.add(name)
        else:
            found.tables.add(name)

    def _note_functions(self, found: Findings, built_in: list[str], own: list[Any]) -> None:
        """Sort functions by the worst that one of their name may do."""
        harmless = set(SYNTAX)
        for name in built_in:
            acts, reads = ACTING.fullmatch(name), READING.fullmatch(name)
            (found.acting if acts else found.readers if reads else harmless).add(name)
        for name, extension, volatility in own:
            if volatility == "i" or extension in HARMLESS_EXTENSIONS:
                harmless.add(name)
            else:
                (found.readers if volatility == "s" else found.acting).add(name)
        found.functions = harmless
