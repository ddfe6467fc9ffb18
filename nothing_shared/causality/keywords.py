"""What each keyword means for the tables of a statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nothing_shared.causality.sql import END, is_name, is_string

if TYPE_CHECKING:
    from nothing_shared.causality.statement import Frame, Statement

__all__ = ["Handler", "handlers_of"]

Handler = Callable[["Statement", "Frame", str], None]


def handlers_of(vendor: str) -> dict[str, Handler]:
    return VENDORS.get(vendor, OTHER)


def opens(statement: Statement, frame: Frame, token: str) -> None:
    statement.open()


def closes(statement: Statement, frame: Frame, token: str) -> None:
    statement.close()


def comma(statement: Statement, frame: Frame, token: str) -> None:
    if frame.in_with and statement.before() == [")"]:
        frame.expects = "cte"
    elif frame.in_from:
        frame.expects = "read"


def semicolon(statement: Statement, frame: Frame, token: str) -> None:
    if statement.after() != END or not statement.is_outermost:
        statement.give_up()


def with_(statement: Statement, frame: Frame, token: str) -> None:
    """Tell WITH that begins CTEs from WITH ORDINALITY, WITH TIES and WITH TIME ZONE."""
    name = statement.after()
    if name == "recursive" or (name != "ordinality" and statement.after(2) in ("as", "(")):
        frame.expects = "cte"


def select(statement: Statement, frame: Frame, token: str) -> None:
    end_from(statement, frame, token)
    frame.is_query = True
    frame.verb = frame.verb or token


def end_from(statement: Statement, frame: Frame, token: str) -> None:
    frame.in_from = frame.has_join = frame.in_with = False


def where(statement: Statement, frame: Frame, token: str) -> None:
    end_from(statement, frame, token)
    if statement.is_outermost:
        statement.wheres.append(statement.at)


def set_(statement: Statement, frame: Frame, token: str) -> None:
    end_from(statement, frame, token)
    if frame.verb == "update":
        statement.placed_at = statement.at  # SET (a, b) = … calls nothing


def from_(statement: Statement, frame: Frame, token: str) -> None:
    """Begin a list of tables, unless it is the FROM of EXTRACT or IS DISTINCT."""
    if frame.needs_target and frame.verb == "delete":
        frame.needs_target, frame.expects = False, "write"
    elif frame.is_query and statement.before(2) not in (["is", "distinct"], ["not", "distinct"]):
        frame.in_from, frame.expects = True, "read"


def join(statement: Statement, frame: Frame, token: str) -> None:
    frame.in_from = frame.has_join = True
    frame.expects = "read"


def using(statement: Statement, frame: Frame, token: str) -> None:
    if frame.verb in ("delete", "merge") and not frame.has_join:
        frame.in_from, frame.expects = True, "read"


def table(statement: Statement, frame: Frame, token: str) -> None:
    frame.is_query, frame.expects = True, "read"


def into(statement: Statement, frame: Frame, token: str) -> None:
    if frame.needs_target and frame.verb != "delete":
        frame.needs_target, frame.expects = False, "write"
    else:
        statement.makes_table = True
        statement.give_up()


def writes(statement: Statement, frame: Frame, token: str) -> None:
    """Begin INSERT, REPLACE, MERGE or DELETE, which name their table after INTO or FROM."""
    before = statement.before()
    if token == "replace" and statement.after() == "(":
        return  # a call
    if token == "replace" and before == ["or"]:
        statement.is_upsert = True
    elif not (before == ["on"] or (before == ["then"] and frame.verb == "merge")):
        begin(statement, frame, token)
        frame.needs_target = True


def begin(statement: Statement, frame: Frame, verb: str) -> None:
    end_from(statement, frame, verb)
    frame.verb, frame.is_query = verb, True
    if verb in ("replace", "merge"):
        statement.is_upsert = True


def update(statement: Statement, frame: Frame, token: str) -> None:
    """Tell UPDATE from FOR UPDATE, ON UPDATE and the branches of an upsert."""
    before = statement.before(2)
    if before[-1:] == ["do"] or before == ["duplicate", "key"]:
        statement.is_upsert = True
    elif before[-1:] == ["then"] and frame.verb == "merge":
        return
    elif not (before[-1:] in (["for"], ["on"]) or before == ["no", "key"]):
        begin(statement, frame, token)
        frame.expects = "write"


def in_(statement: Statement, frame: Frame, token: str) -> None:
    """Read a table that SQLite takes in place of a list: ``x IN table``."""
    if is_name(statement.after()) or is_string(statement.after()):
        frame.expects = "read"


def or_(statement: Statement, frame: Frame, token: str) -> None:
    if statement.before() == ["insert"]:
        statement.is_upsert = True


def conflict(statement: Statement, frame: Frame, token: str) -> None:
    if statement.before() == ["on"]:
        statement.is_upsert = True


COMMON: dict[str, Handler] = {
    "(": opens,
    ")": closes,
    ",": comma,
    ";": semicolon,
    "conflict": conflict,
    "delete": writes,
    "from": from_,
    "insert": writes,
    "into": into,
    "join": join,
    "merge": writes,
    "or": or_,
    "replace": writes,
    "select": select,
    "set": set_,
    "table": table,
    "update": update,
    "using": using,
    "where": where,
    "with": with_,
}
for word in "group having order limit returning values union intersect except".split():
    COMMON[word] = end_from

# In SQLite these may be names, and a name must not end the list of tables.
SQLITE = COMMON | {"in": in_}
POSTGRESQL = COMMON | dict.fromkeys("fetch for offset window".split(), end_from)
OTHER = POSTGRESQL | dict.fromkeys(("apply", "straight_join"), join)
VENDORS = {"sqlite": SQLITE, "postgresql": POSTGRESQL}
