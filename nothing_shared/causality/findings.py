"""What a database told about itself, and the schema that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from nothing_shared.causality.relations import Reach, Schema, TableInfo
from nothing_shared.causality.sql import END, fold, is_name, is_string, parts, tokenise
from nothing_shared.causality.statement import Statement
from nothing_shared.causality.understanding import read_names

__all__ = ["Cascade", "Findings", "completed"]


@dataclass(frozen=True, slots=True)
class Cascade:
    """A foreign key with an action of the database: what happens to ``parent`` changes ``child``."""

    parent: str
    child: str
    on_delete: bool
    on_update: bool


@dataclass
class Findings:
    """Facts from a database's catalog, with its own spelling of names."""

    tables: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    """Tables that show nobody knows what: foreign tables, virtual tables."""
    queries: list[tuple[str, str]] = field(default_factory=list)
    """Texts that run when a name is read: of views, and of row policies."""
    definitions: list[tuple[str, str]] = field(default_factory=list)
    """Texts that name whatever else a table shows."""
    heirs: list[tuple[str, str]] = field(default_factory=list)
    """Partitions and inheriting tables, each with a parent, in which their rows show."""
    triggers: list[tuple[str, str | None]] = field(default_factory=list)
    """CREATE TRIGGER texts by table; None where it may do anything."""
    rewriting: set[str] = field(default_factory=set)
    """Tables of which an INSERT may change other rows."""
    cascades: list[Cascade] = field(default_factory=list)
    functions: set[str] | None = None
    readers: set[str] = field(default_factory=set)
    acting: set[str] = field(default_factory=set)


Reaches = dict[str, Reach]


def completed(models: Schema, found: Findings, *, asked_at: int) -> Schema:
    """Return what models and database say together, everything unclear counted as more."""
    known = named(models, found)
    views, acting = read_reaches(known, found)
    triggers, cascades = written_reaches(known, models, found)
    schema = replace(known, views=views, triggers=triggers, cascades=cascades)
    acting |= {name for name in views if not acting.isdisjoint(schema.read_through(name) or ())}
    return replace(schema, acting=known.acting | acting, asked_at=asked_at)


def named(models: Schema, found: Findings) -> Schema:
    """Return a schema that knows all names, and not yet what they reach."""
    tables = {fold(name): TableInfo() for name in found.tables | found.opaque} | dict(models.tables)
    views = {fold(name) for name in found.views}
    return Schema(
        vendor=models.vendor,
        tables={name: info for name, info in tables.items() if name not in views},
        views=dict.fromkeys(views, frozenset()),
        functions=harmless(found),
        readers=frozenset(map(fold, found.readers)),
        acting=frozenset(map(fold, found.acting)),
        is_complete=True,
    )


def harmless(found: Findings) -> frozenset[str] | None:
    if found.functions is None:
        return None
    return frozenset(map(fold, found.functions - found.readers - found.acting))


def read_reaches(known: Schema, found: Findings) -> tuple[Reaches, set[str]]:
    """Return what reading names reads besides, and the names whose reading may write."""
    reaches: Reaches = dict(known.views)
    acting: set[str] = set()
    for name, text in found.queries:
        read, acts = reach_of_query(text, known)
        extend(reaches, fold(name), read)
        acting.update([fold(name)] if acts else [])
    for name, text in found.definitions:
        extend(reaches, fold(name), names_in(text, known))
    for heir, parent in found.heirs:
        extend(reaches, fold(heir), {fold(parent)})
    return reaches | dict.fromkeys(map(fold, found.opaque)), acting


def written_reaches(known: Schema, models: Schema, found: Findings) -> tuple[Reaches, Reaches]:
    """Return what writing tables writes besides, and what deleting does."""
    triggers: Reaches = {}
    cascades: Reaches = dict(models.cascades)
    for table, body in found.triggers:
        extend(triggers, fold(table), None if body is None else reach_of_trigger(body, known))
    for table, _ in found.definitions:
        shadows = {name for name in known.tables if name.startswith(f"{fold(table)}_")}
        extend(triggers, fold(table), shadows)
    for table in found.rewriting:
        extend(cascades, fold(table), {fold(table)})
        extend(triggers, fold(table), {fold(table)})
    for key in found.cascades:
        if key.on_delete:
            extend(cascades, fold(key.parent), {fold(key.child)})
        if key.on_update:
            extend(triggers, fold(key.parent), {fold(key.child)})
    for reaches in (triggers, cascades):
        inherit(reaches, found.heirs)
    for heir, parent in found.heirs:
        extend(triggers, fold(heir), {fold(parent)})
    return triggers, cascades


def inherit(reaches: Reaches, heirs: list[tuple[str, str]]) -> None:
    """Let a parent reach what its heirs do: its rows are theirs, whatever their depth."""
    for _ in {parent for _, parent in heirs}:
        for heir, parent in heirs:
            extend(reaches, fold(parent), reaches.get(fold(heir), frozenset()))


def extend(reaches: Reaches, name: str, more: Iterable[str] | None) -> None:
    reach = reaches.get(name, frozenset())
    reaches[name] = None if reach is None or more is None else reach.union(more)


def reach_of_query(text: str, known: Schema) -> tuple[Reach, bool]:
    """Return what the text of a view reads, and whether it may write."""
    tokens = tokenise(fold(text), known.vendor)
    if tokens is None:
        return None, True
    if tokens[0] == "create":
        tokens = tokens[tokens.index("as") + 1 :] if "as" in tokens else tokens
    statement = Statement(tokens, known)
    acts = statement.has_writes or not known.acting.isdisjoint(read_names(statement))
    return None if statement.reads_unknown else frozenset(read_names(statement)), acts


def reach_of_trigger(text: str, known: Schema) -> Reach:
    """Return the tables that a CREATE TRIGGER of SQLite writes."""
    tokens = tokenise(fold(text), known.vendor)
    if tokens is None or "begin" not in tokens:
        return None
    written: set[str] = set()
    for body in statements(tokens[tokens.index("begin") + 1 :]):
        statement = Statement(body, known)
        if statement.writes_unknown:
            return None
        written.update(mention.name for mention in statement.mentions if mention.verb)
    return frozenset(written)


def statements(tokens: list[str]) -> Iterable[list[str]]:
    """Yield the statements of a body, each with its end; the closing END is none."""
    body: list[str] = []
    for token in tokens:
        if token == ";":
            yield [*body, END]
            body = []
        else:
            body.append(token)


def names_in(text: str, known: Schema) -> Reach:
    """Return all known names in a text, in whatever role."""
    tokens = tokenise(fold(text), known.vendor)
    if tokens is None:
        return None
    names = {
        part for token in tokens if is_name(token) or is_string(token) for part in parts(token)
    }
    return frozenset(names & known.known)
