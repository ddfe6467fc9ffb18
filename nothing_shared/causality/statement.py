"""Find what one statement names: its tables, in which role, and the functions it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from nothing_shared.causality.functions import SQLITE_TABLE_FUNCTIONS, effect_of_call, is_call
from nothing_shared.causality.relations import Schema
from nothing_shared.causality.sql import END, is_name, is_string, parts

__all__ = ["Mention", "Statement", "is_cut"]

ENDS_FROM = "where group having order limit returning set values union intersect except".split()
ENDS_FROM_WHERE_RESERVED = "fetch for offset window".split()
"""In SQLite these may be names, and a name must not end the list of tables."""

LONGEST_NAME = 63


def is_cut(name: str) -> bool:
    """Say whether PostgreSQL knows this name by its first 63 bytes only."""
    return len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME


class Mention(NamedTuple):
    """A table where a table is expected; ``verb`` is what a writing statement does to it."""

    at: int
    name: str
    is_qualified: bool
    is_outermost: bool
    verb: str = ""


class Frame:
    """A pair of parentheses, or the statement itself."""

    __slots__ = ("ctes", "expects", "has_join", "in_from", "in_with", "is_query", "needs_target", "verb")

    def __init__(self, expects: Literal["", "read", "write"] = "") -> None:
        self.expects = expects
        """Whether the next token must be a table, and for what."""
        self.in_from = self.is_query = bool(expects)
        self.in_with: Literal["", "name", "list"] = ""
        self.ctes: set[str] = set()
        self.has_join = self.needs_target = False
        self.verb = ""

    def is_finished(self) -> bool:
        return not (self.expects or self.needs_target)


class Statement:
    """One pass over the tokens of one statement. What it cannot place, it counts as more."""

    def __init__(self, tokens: list[str], schema: Schema) -> None:
        self.tokens = tokens
        self.schema = schema
        self.mentions: list[Mention] = []
        """Known tables where a table is expected."""
        self.qualifiers: set[str] = set()
        """Known tables that only qualify a column."""
        self.loose: set[str] = set()
        """Known names anywhere else: a column of that name, or a table in disguise."""
        self.unknown: set[str] = set()
        """Names of tables that are not known."""
        self.outermost_sources = 0
        self.reads_unknown = self.writes_unknown = self.makes_table = self.is_upsert = False
        self.wheres: list[int] = []
        self.closers: dict[int, int] = {}
        self._openers: list[int] = []
        self._frames = [Frame()]
        self._at = 0
        self._scan()

    @property
    def has_writes(self) -> bool:
        return self.writes_unknown or any(mention.verb for mention in self.mentions)

    def _scan(self) -> None:
        tokens, handlers = self.tokens, HANDLERS.get(self.schema.vendor, RESERVING)
        frame = self._frames[-1]
        self._note_effects()
        while (token := tokens[self._at]) != END:
            frame = self._frames[-1]
            if frame.expects:
                self._table(frame, token)
            elif handler := handlers.get(token):
                handler(self, frame, token)
            elif is_name(token):
                self._name(frame, token)
            self._at += 1
        for frame in self._frames:
            self._leave(frame)
        if len(self._frames) > 1:
            self._give_up()

    def _note_effects(self) -> None:
        """Look for functions of note under keywords that may be their names too."""
        if not self.schema.acting.isdisjoint(self.tokens):
            self._give_up()
        if not self.schema.readers.isdisjoint(self.tokens):
            self.reads_unknown = True

    def _give_up(self) -> None:
        self.reads_unknown = self.writes_unknown = True

    # Names

    def _name(self, frame: Frame, token: str) -> None:
        names = parts(token)
        if frame.in_with == "name":
            self._define(frame, names[-1])
        elif self.tokens[self._at + 1] == "(":
            self._call(token, names[-1])
        if not self.schema.known.isdisjoint(names):
            self._mention(names)

    def _define(self, frame: Frame, name: str) -> None:
        if name != "recursive" or not is_name(self.tokens[self._at + 1]):
            frame.ctes.add(name)
            frame.in_with = "list"

    def _call(self, token: str, name: str) -> None:
        before = self.tokens[self._at - 1] if self._at else END
        if token != name or is_call(name, before):
            self._note(name)

    def _note(self, function: str) -> None:
        effect = effect_of_call(function, self.schema)
        if effect != "harmless":
            self.reads_unknown = True
        if effect == "acts":
            self.writes_unknown = True

    def _mention(self, names: tuple[str, ...]) -> None:
        schema = self.schema
        self.qualifiers.update(name for name in names[:-1] if schema.is_relation(name))
        last = names[-1]
        if schema.is_relation(last):
            self.loose.add(last)
        elif last in schema.acting or last in schema.readers:
            self._note(last)  # row.function is a call too

    # Tables

    def _table(self, frame: Frame, token: str) -> None:
        if token == "(" and frame.expects == "read":
            self._open(frame, token, expects="read")
        elif token in ("only", "lateral"):
            return
        elif token == "or" and self.tokens[self._at - 1] == "update":
            self.is_upsert = True
            self._at += 1
        elif frame.expects == "read" and self._is_subquery(token):
            frame.expects = ""
            HANDLERS["sqlite"][token](self, frame, token)
        elif is_name(token) or is_string(token):
            self._place(frame, parts(token))
        else:
            frame.expects = ""
            self._give_up()

    def _is_subquery(self, token: str) -> bool:
        return token == "select" or (
            token in ("values", "with") and self.tokens[self._at - 1] == "("
        )

    def _place(self, frame: Frame, names: tuple[str, ...]) -> None:
        """Put a name where a table is expected."""
        reads, frame.expects = frame.expects == "read", ""
        name, schema = names[-1], self.schema
        self._count_source()
        if schema.vendor == "postgresql" and is_cut(name):
            self._give_up()
        if reads and self.tokens[self._at + 1] == "(":
            self._table_function(name)
        if not schema.known.isdisjoint(names[:-1]):
            self._mention(names)
        if schema.is_relation(name):
            self._mention_table(frame, names, reads=reads)
        elif not (reads and len(names) == 1 and self._is_cte(name)):
            self._miss(name, reads=reads)

    def _count_source(self) -> None:
        if len(self._frames) == 1:
            self.outermost_sources += 1

    def _mention_table(self, frame: Frame, names: tuple[str, ...], *, reads: bool) -> None:
        verb = "" if reads else frame.verb
        outermost = len(self._frames) == 1
        self.mentions.append(Mention(self._at, names[-1], len(names) > 1, outermost, verb))
        if self._is_cte(names[-1]):
            self.loose.add(names[-1])

    def _is_cte(self, name: str) -> bool:
        return any(name in frame.ctes for frame in self._frames)

    def _table_function(self, name: str) -> None:
        self._note(name)
        if self.schema.vendor == "sqlite" and name not in SQLITE_TABLE_FUNCTIONS:
            self.reads_unknown = True

    def _miss(self, name: str, *, reads: bool) -> None:
        if reads and self.tokens[self._at + 1] == "(":
            return
        self.unknown.add(name)
        self.reads_unknown = True
        if not reads:
            self.writes_unknown = True

    # Punctuation and keywords

    def _open(self, frame: Frame, token: str, *, expects: Literal["", "read"] = "") -> None:
        if expects:
            frame.expects = ""
            self._count_source()
        self._openers.append(self._at)
        self._frames.append(Frame(expects))

    def _close(self, frame: Frame, token: str) -> None:
        if not self._openers:
            self._give_up()
            return
        self._leave(self._frames.pop())
        self.closers[self._openers.pop()] = self._at

    def _leave(self, frame: Frame) -> None:
        if not frame.is_finished():
            self._give_up()

    def _comma(self, frame: Frame, token: str) -> None:
        if frame.in_with == "list":
            frame.in_with = "name"
        elif frame.in_from:
            frame.expects = "read"

    def _with(self, frame: Frame, token: str) -> None:
        name, then = self.tokens[self._at + 1], self.tokens[self._at + 2 : self._at + 3]
        if name == "recursive" or (name != "ordinality" and then in (["as"], ["("])):
            frame.in_with = "name"

    def _select(self, frame: Frame, token: str) -> None:
        self._end_from(frame, token)
        frame.is_query = True
        frame.verb = frame.verb or "select"

    def _end_from(self, frame: Frame, token: str) -> None:
        frame.in_from = frame.has_join = False
        frame.in_with = ""
        if token == "where" and len(self._frames) == 1:
            self.wheres.append(self._at)

    def _from(self, frame: Frame, token: str) -> None:
        if frame.needs_target and frame.verb == "delete":
            frame.needs_target, frame.expects = False, "write"
        elif frame.is_query and not self._is_comparison():
            frame.in_from, frame.expects = True, "read"

    def _is_comparison(self) -> bool:
        """Say whether this FROM is the one of ``IS [NOT] DISTINCT FROM``."""
        before = self.tokens[max(0, self._at - 2) : self._at]
        return before in (["is", "distinct"], ["not", "distinct"])

    def _join(self, frame: Frame, token: str) -> None:
        frame.in_from = frame.has_join = True
        frame.expects = "read"

    def _using(self, frame: Frame, token: str) -> None:
        if frame.verb in ("delete", "merge") and not frame.has_join:
            frame.in_from, frame.expects = True, "read"

    def _table_keyword(self, frame: Frame, token: str) -> None:
        frame.is_query, frame.expects = True, "read"

    def _into(self, frame: Frame, token: str) -> None:
        if frame.needs_target and frame.verb != "delete":
            frame.needs_target, frame.expects = False, "write"
        else:
            self.makes_table = True
            self._give_up()

    def _insert(self, frame: Frame, token: str) -> None:
        """Begin INSERT, REPLACE, MERGE or DELETE, which name their table after INTO or FROM."""
        before, after = self.tokens[self._at - 1] if self._at else END, self.tokens[self._at + 1]
        if token == "replace" and after == "(":
            self._note(token)
        elif token == "replace" and before == "or":
            self.is_upsert = True
        elif not (before == "on" or (before == "then" and frame.verb == "merge")):
            self._begin(frame, token)
            frame.needs_target = True

    def _begin(self, frame: Frame, verb: str) -> None:
        self._end_from(frame, verb)
        frame.verb, frame.is_query = verb, True
        if verb in ("replace", "merge"):
            self.is_upsert = True

    def _update(self, frame: Frame, token: str) -> None:
        before = self.tokens[max(0, self._at - 2) : self._at]
        if before[-1:] == ["do"] or before == ["duplicate", "key"]:
            self.is_upsert = True
        elif before[-1:] == ["then"] and frame.verb == "merge":
            return
        elif not (before[-1:] in (["for"], ["on"]) or before == ["no", "key"]):
            self._begin(frame, token)
            frame.expects = "write"

    def _or(self, frame: Frame, token: str) -> None:
        if self._at and self.tokens[self._at - 1] == "insert":
            self.is_upsert = True

    def _conflict(self, frame: Frame, token: str) -> None:
        if self.tokens[self._at - 1] in ("on", "or"):
            self.is_upsert = True

    def _semicolon(self, frame: Frame, token: str) -> None:
        if self.tokens[self._at + 1] != END or len(self._frames) > 1:
            self._give_up()


Handler = Callable[[Statement, Frame, str], None]

# ruff: noqa: SLF001
NOT_RESERVING: dict[str, Handler] = {
    "(": Statement._open,
    ")": Statement._close,
    ",": Statement._comma,
    ";": Statement._semicolon,
    "conflict": Statement._conflict,
    "delete": Statement._insert,
    "from": Statement._from,
    "insert": Statement._insert,
    "into": Statement._into,
    "join": Statement._join,
    "merge": Statement._insert,
    "or": Statement._or,
    "replace": Statement._insert,
    "select": Statement._select,
    "table": Statement._table_keyword,
    "update": Statement._update,
    "using": Statement._using,
    "with": Statement._with,
    **dict.fromkeys(ENDS_FROM, Statement._end_from),
}
RESERVING = NOT_RESERVING | dict.fromkeys(ENDS_FROM_WHERE_RESERVED, Statement._end_from)
HANDLERS = {"sqlite": NOT_RESERVING}
