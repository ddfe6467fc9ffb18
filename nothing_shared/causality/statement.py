"""Find what one statement names: its tables, in which role, and the functions it calls."""

from __future__ import annotations

from typing import Literal, NamedTuple

from nothing_shared.causality.functions import (
    RESERVED,
    SQLITE_TABLE_FUNCTIONS,
    effect_of_call,
    is_call,
)
from nothing_shared.causality.keywords import Handler, handlers_of
from nothing_shared.causality.relations import Schema
from nothing_shared.causality.sql import END, is_name, is_string, parts

__all__ = ["Frame", "Mention", "Statement", "is_cut"]

LONGEST_NAME = 63

Expected = Literal["", "read", "write", "conflict", "cte"]


class Mention(NamedTuple):
    """A table where a table is expected; ``verb`` is what a writing statement does to it."""

    at: int
    name: str
    is_qualified: bool
    is_outermost: bool
    verb: str = ""


class Frame:
    """A pair of parentheses, or the statement itself."""

    __slots__ = (
        "ctes",
        "expects",
        "has_join",
        "in_from",
        "in_with",
        "is_query",
        "needs_target",
        "verb",
    )

    def __init__(self, expects: Expected = "") -> None:
        self.expects = expects
        """What the next token must be: a table that is read or written, the name of a CTE …"""
        self.in_from = self.is_query = bool(expects)
        self.in_with = self.has_join = self.needs_target = False
        self.ctes: set[str] = set()
        self.verb = ""


class Statement:
    """One pass over the tokens of one statement. What it cannot place, it counts as more."""

    def __init__(self, tokens: list[str], schema: Schema) -> None:
        self.tokens = tokens
        self.schema = schema
        self.mentions: list[Mention] = []
        """Known tables where a table is expected."""
        self.qualifiers: set[str] = set()
        """Known tables that qualify a column."""
        self.loose: set[str] = set()
        """Known names anywhere else: a column of that name, or a table in disguise."""
        self.outermost_sources = 0
        self.names_strangers = False
        """Whether it reads what is no table or view that is known: a sequence, a temporary table."""
        self.reads_unknown = self.writes_unknown = self.makes_table = self.is_upsert = False
        self.wheres: list[int] = []
        """Where the outermost statement has a WHERE."""
        self.closers: dict[int, int] = {}
        """Where the parentheses that open at a place close."""
        self.at = 0
        self.placed_at = -1
        """The last name before parentheses of which no call opens."""
        self._openers: list[int] = []
        self._frames = [Frame()]
        self._note_marked_words()
        self._scan(handlers_of(schema.vendor))
        self._finish()

    @property
    def has_writes(self) -> bool:
        return self.writes_unknown or any(mention.verb for mention in self.mentions)

    @property
    def is_outermost(self) -> bool:
        return len(self._frames) == 1

    def before(self, count: int = 1) -> list[str]:
        """Return the last tokens before this one."""
        return self.tokens[max(0, self.at - count) : self.at]

    def after(self, count: int = 1) -> str:
        return self.tokens[min(self.at + count, len(self.tokens) - 1)]

    def give_up(self) -> None:
        """Count the statement as one that may read and write anything."""
        self.reads_unknown = self.writes_unknown = True

    def _scan(self, handlers: dict[str, Handler]) -> None:
        frames, frame = self._frames, self._frames[-1]
        seen: set[str] = set()
        for at, token in enumerate(self.tokens):
            if frame.expects:
                self.at = at
                self._expected(frame, token)
                frame = frames[-1]
            elif handler := handlers.get(token):
                self.at = at
                handler(self, frame, token)
                frame = frames[-1]
            elif token not in seen:
                seen.add(token)
                if is_name(token):
                    self._mention(parts(token))

    def _finish(self) -> None:
        for frame in self._frames:
            self._leave(frame)
        if not self.is_outermost:
            self.give_up()

    # Names

    def _note_marked_words(self) -> None:
        """Look for functions of note among words that the grammar knows too."""
        if not self.schema.acting.isdisjoint(self.tokens):
            self.give_up()
        if not self.schema.readers.isdisjoint(self.tokens):
            self.reads_unknown = True

    def _mention(self, names: tuple[str, ...]) -> None:
        schema = self.schema
        if schema.known.isdisjoint(names):
            return
        self._qualify(names)
        last = names[-1]
        if schema.is_relation(last):
            self.loose.add(last)
        elif last in schema.acting or last in schema.readers:
            self._note(last)  # row.function is a call too

    def _qualify(self, names: tuple[str, ...]) -> None:
        self.qualifiers.update(name for name in names[:-1] if self.schema.is_relation(name))

    def _note(self, function: str) -> None:
        effect = effect_of_call(function, self.schema)
        if effect != "harmless":
            self.reads_unknown = True
        if effect == "acts":
            self.writes_unknown = True

    def _note_call(self) -> None:
        """Note the function whose parentheses open here, if it is one."""
        at = self.at
        name = self.tokens[at - 1] if at else END
        if name in RESERVED or self.placed_at == at - 1 or not is_name(name):
            return
        bare = parts(name)[-1]
        if bare != name or is_call(bare, self.tokens[at - 2] if at > 1 else END):
            self._note(bare)

    # Tables

    def _expected(self, frame: Frame, token: str) -> None:
        if token == "(" and frame.expects == "read":
            frame.expects = ""
            self._count_source()
            self._push(Frame("read"))
        elif token in ("only", "lateral"):
            return
        elif frame.expects == "conflict":
            frame.expects = "write"
        elif token == "or" and frame.verb == "update":
            self.is_upsert, frame.expects = True, "conflict"
        elif frame.expects == "read" and self._is_query(token):
            frame.expects = ""
            handlers_of(self.schema.vendor)[token](self, frame, token)
        elif is_name(token) or is_string(token):
            take = self._define if frame.expects == "cte" else self._place
            take(frame, parts(token))
        else:
            frame.expects = ""
            self.give_up()

    def _is_query(self, token: str) -> bool:
        return token == "select" or (
            token in ("table", "values", "with") and self.before() == ["("]
        )

    def _define(self, frame: Frame, names: tuple[str, ...]) -> None:
        """Take the name of a CTE."""
        if names == ("recursive",) and is_name(self.after()):
            return
        frame.expects, frame.in_with, self.placed_at = "", True, self.at
        frame.ctes.add(names[-1])
        self._mention(names)

    def _place(self, frame: Frame, names: tuple[str, ...]) -> None:
        """Take the name of a table; one that is not known may be a view of anything."""
        reads, frame.expects, self.placed_at = frame.expects == "read", "", self.at
        name, is_function = names[-1], reads and self.after() == "("
        self._count_source()
        if len(names) > 1:
            self._qualify(names)
        if is_function:
            self._table_function(name)
        if is_cut(name) and self.schema.vendor == "postgresql":
            self.give_up()
        elif self.schema.is_relation(name):
            self._note_table(names, "" if reads else frame.verb)
        elif not (is_function or (reads and self._is_cte(names))):
            self.reads_unknown = self.names_strangers = True
            self.writes_unknown |= not reads

    def _note_table(self, names: tuple[str, ...], verb: str) -> None:
        is_qualified = len(names) > 1
        self.mentions.append(Mention(self.at, names[-1], is_qualified, self.is_outermost, verb))
        if self._is_cte(names):
            self.loose.add(names[-1])

    def _is_cte(self, names: tuple[str, ...]) -> bool:
        return len(names) == 1 and any(names[0] in frame.ctes for frame in self._frames)

    def _table_function(self, name: str) -> None:
        self._note(name)
        if self.schema.vendor == "sqlite" and name not in SQLITE_TABLE_FUNCTIONS:
            self.reads_unknown = True

    def _count_source(self) -> None:
        if self.is_outermost:
            self.outermost_sources += 1

    # Parentheses

    def open(self) -> None:
        self._note_call()
        self._push(Frame())

    def _push(self, frame: Frame) -> None:
        self._openers.append(self.at)
        self._frames.append(frame)

    def close(self) -> None:
        if not self._openers:
            self.give_up()
            return
        self._leave(self._frames.pop())
        self.closers[self._openers.pop()] = self.at

    def _leave(self, frame: Frame) -> None:
        if frame.expects or frame.needs_target:
            self.give_up()


def is_cut(name: str) -> bool:
    """Say whether PostgreSQL may know this name by its first 63 bytes only."""
    return (len(name) if name.isascii() else len(name) * 4) > LONGEST_NAME
