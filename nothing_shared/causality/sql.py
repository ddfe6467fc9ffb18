"""Cut a SQL text into tokens, or say that it cannot be done with certainty.

What a database takes for a string, a quoted name or a comment must be taken for the same here: one quote
read otherwise, and a table could hide. So each dialect has an expression of its own, and whatever
is doubtful in it (nested comments, a backslash before a quote, tagged dollar quotes) is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["END", "PLACEHOLDER", "bare_name", "fold", "is_name", "is_string", "parts", "tokenise"]

END = ""
"""The token after the last, so that looking one ahead needs no bounds."""

PLACEHOLDER = "%s"

SPACE = r"[ \t\n\r\f\v]"
WORD = r"[a-z_\x80-\U0010ffff][a-z0-9_$\x80-\U0010ffff]*+"
DOUBLE_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
BACK_QUOTED = r"`[^`]*+(?:``[^`]*+)*+`"
BRACKETED = r"\[[^\]]*+\]"
STRING = r"'[^']*+(?:''[^']*+)*+'"
NUMBER = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:e[+-]?[0-9]++)?"
PLACEHOLDERS = rf"%s(?:{SPACE}*+,{SPACE}*+%s)*+|%%|%\([a-z0-9_]++\)s"
COMMENT = r"/\*(?:[^*/]|\*(?!/)|/(?!\*))*+\*/"


@dataclass(frozen=True)
class Dialect:
    """How one database cuts a text; ``unsure`` are tokens that come out only where no longer one fits."""

    pattern: re.Pattern[str]
    unsure: frozenset[str]


def dialect(*, names: str, literals: str, comments: str, unsure: str) -> Dialect:
    name = rf"(?:{WORD}|{names})"
    dotted = rf"{name}(?:{SPACE}*+\.{SPACE}*+(?:{name}|\*))*+"
    alternatives = (comments, r"/\*", literals, dotted, PLACEHOLDERS, NUMBER, r"[^ \t\n\r\f\v]")
    return Dialect(
        re.compile("|".join(alternatives)), frozenset(("/*", "'", '"', "\0", *unsure.split()))
    )


DIALECTS = {
    "sqlite": dialect(
        names=f"{DOUBLE_QUOTED}|{BACK_QUOTED}|{BRACKETED}",
        # A variable that goes on with :: or ( is Tcl's, and swallows what follows.
        literals=rf"{STRING}|[$@:#][a-z0-9_$\x80-\U0010ffff]++(?![(:])",
        comments=rf"--[^\n]*+|{COMMENT}",
        unsure="` [ $ @ : #",
    ),
    "postgresql": dialect(
        names=DOUBLE_QUOTED,
        # Whether \' ends a plain string depends on standard_conforming_strings.
        literals=r"e'[^'\\]*+(?:(?:''|\\[\s\S])[^'\\]*+)*+'|u&\"|"
        r"'[^'\\]*+(?:(?:''|\\(?!'))[^'\\]*+)*+'|"
        r"\$\$[^$]*+(?:\$(?!\$)[^$]*+)*+\$\$|\$[0-9]++",
        comments=rf"--[^\n\r]*+|{COMMENT}",
        unsure='` $ u&"',
    ),
}
OTHER = dialect(
    names=rf'"[^"\\]*+(?:""[^"\\]*+)*+"|{BACK_QUOTED}|{BRACKETED}',
    literals=r"[nq]'|'[^'\\]*+(?:''[^'\\]*+)*+'",
    comments=rf"--(?={SPACE}|\Z)[^\n\r]*+(?=\r?\n|\Z)|--|/\*(?!!|m!)(?:[^*/]|\*(?!/)|/(?!\*))*+\*/",
    unsure="` [ -- # $ n' q'",
)

PART = re.compile(rf'{DOUBLE_QUOTED}|{BACK_QUOTED}|{BRACKETED}|[^ \t\n\r\f\v."`\[]++')
NAME_STARTS = frozenset('"`[_abcdefghijklmnopqrstuvwxyz')


def fold(text: str) -> str:
    """Lower-case as databases do: ASCII only (``str.lower`` takes a Kelvin sign for a k)."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def tokenise(folded: str, vendor: str) -> list[str] | None:
    """Return the tokens of a folded text, with ``END`` after the last; None if in doubt.

    A dotted name is one token, and so is a run of placeholders (``%s, %s``).
    """
    dialect = DIALECTS.get(vendor, OTHER)
    tokens: list[str] = dialect.pattern.findall(folded)
    if "--" in folded or "/*" in folded:
        tokens = [token for token in tokens if not is_comment(token)]
    if not dialect.unsure.isdisjoint(tokens) or has_stray_dot(tokens):
        return None
    tokens.append(END)
    return tokens


def is_comment(token: str) -> bool:
    return (token.startswith("--") and token != "--") or (token.startswith("/*") and token != "/*")


def has_stray_dot(tokens: list[str]) -> bool:
    """Say whether a comment cut a dotted name; ``(row).field`` and ``list[1].field`` are fine."""
    if "." not in tokens:
        return False
    dots = (index for index, token in enumerate(tokens) if token == ".")
    return any(not index or tokens[index - 1] not in (")", "]") for index in dots)


def is_name(token: str) -> bool:
    """Say whether a token is a word or a quoted or dotted name."""
    return is_name_start(token[:1]) and not token.endswith("'") and token != "["


def is_name_start(character: str) -> bool:
    return character in NAME_STARTS or character > "\x7f"


def is_string(token: str) -> bool:
    return token.startswith("'")


@lru_cache(maxsize=8192)
def parts(token: str) -> tuple[str, ...]:
    """Return the names in a dotted name, or the text of a string, without their quotes."""
    return tuple(unquoted(token))


def unquoted(token: str) -> Iterator[str]:
    if token.startswith("'"):
        yield token[1:-1].replace("''", "'")
        return
    for part in PART.findall(token):
        quote = part[0]
        if quote == "[":
            yield part[1:-1]
        elif quote in '"`':
            yield part[1:-1].replace(quote * 2, quote)
        else:
            yield part


def bare_name(db_table: str) -> str:
    """Return what a model's ``db_table`` is called here: folded, with no schema and no quotes."""
    folded = fold(db_table)
    if len(folded) > 1 and folded[0] in '"`[' and folded[-1] in '"`]':
        return parts(folded)[-1]
    return folded
