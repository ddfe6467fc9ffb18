"""The one reader of settings: each app declares a frozen dataclass, this fills it.

An app writes::

    @dataclass(frozen=True)
    class NodeSettings:
        lease: float = option(2.0, "Seconds a node may go unheard.", minimum=0.1)

    read("NOTHING_SHARED_NODE", NodeSettings).lease

and the site writes ``NOTHING_SHARED_NODE = {"LEASE": 2.0}``: field names in lower case, keys in
upper case, every key optional. The annotations are resolved at run time, so what they name must be
imported, not hidden behind ``TYPE_CHECKING``.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.kinds import Unfit, convert, describe

__all__ = ["InvalidSetting", "Option", "option", "options", "parse", "problems", "read"]

Schema = TypeVar("Schema")


class InvalidSetting(ImproperlyConfigured):
    """A setting that can't be believed: an unknown key, a wrong type, a value out of bounds."""


@dataclass(frozen=True)
class Option:
    """One key of a settings dict, as its app declared it."""

    key: str
    field: str
    kind: Any
    default: Any
    doc: str
    minimum: float | None = None
    maximum: float | None = None
    rule: tuple[str, Callable[[Any], bool]] | None = None

    @property
    def allowed(self) -> str:
        """What may stand here, in words: ``a number of at least 0.1``."""
        words = [f"{self.rule[0]} ({describe(self.kind)})" if self.rule else describe(self.kind)]
        if self.minimum is not None:
            words.append(f"of at least {self.minimum}")
        if self.maximum is not None:
            words.append("and" if self.minimum is not None else "of")
            words.append(f"at most {self.maximum}")
        return " ".join(words)

    @property
    def default_text(self) -> str:
        """The default as one would write it in settings."""
        return repr(dict(self.default) if isinstance(self.default, Mapping) else self.default)

    def accept(self, value: object) -> Any:
        """Return the value converted, or raise :class:`~nothing_shared.kinds.Unfit`."""
        accepted = convert(self.kind, value)
        if accepted is None:
            return None
        if self.minimum is not None and accepted < self.minimum:
            raise Unfit("too small")
        if self.maximum is not None and accepted > self.maximum:
            raise Unfit("too large")
        if self.rule is not None and not self.rule[1](accepted):
            raise Unfit(f"not {self.rule[0]}")
        return accepted


def option(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    rule: tuple[str, Callable[[Any], bool]] | None = None,
) -> Any:
    """Declare a field of a settings dataclass.

    ``doc`` goes into the reference as it stands, in Markdown. ``rule`` is a pair: what is allowed,
    in words (``"a power of two"``), and the test for it. None passes bounds and rule where the
    annotation allows it.
    """
    bounds = {"doc": doc, "minimum": minimum, "maximum": maximum, "rule": rule}
    frozen = types.MappingProxyType(default) if isinstance(default, dict) else default
    return dataclasses.field(default_factory=lambda: frozen, metadata=bounds)


def options(schema: type[Any]) -> tuple[Option, ...]:
    """List the options that a settings dataclass declares, in its order."""
    return _options(cast(Any, schema))


@lru_cache(maxsize=64)
def _options(schema: Any) -> tuple[Option, ...]:
    kinds = typing.get_type_hints(schema)
    return tuple(
        Option(
            key=field.name.upper(),
            field=field.name,
            kind=kinds[field.name],
            default=cast("Callable[[], Any]", field.default_factory)(),
            **field.metadata,
        )
        for field in dataclasses.fields(schema)
    )


def read(setting: str, schema: type[Schema]) -> Schema:
    """Return the settings dict named ``setting`` as its dataclass, as it is at this moment.

    Raise :class:`InvalidSetting` that names every problem. A dict that has not changed since the
    last call is not parsed again, so this may stand in a hot path.
    """
    raw = getattr(settings, setting, None)
    last = _last_read.get((setting, schema))
    if last is not None and last[0] is raw and last[1] == raw:
        known: Schema = last[2]
        return known
    parsed = parse(setting, {} if raw is None else raw, schema)
    _last_read[setting, schema] = (raw, dict(raw) if raw else raw, parsed)
    return parsed


_last_read: dict[tuple[str, type[Any]], tuple[Any, Any, Any]] = {}


def parse(where: str, given: Any, schema: type[Schema]) -> Schema:
    """Return ``given`` as the dataclass ``schema``; ``where`` names it in errors.

    For dicts that are not settings of their own: ``CACHES["default"]["OPTIONS"]``.
    """
    values, found = _examine(where, given, schema)
    if found:
        raise InvalidSetting("\n".join(found))
    return schema(**values)


def problems(setting: str, schema: type[Any], *, given: Any = None) -> list[str]:
    """List, a sentence each, what is wrong with a settings dict; never raise.

    Without ``given`` it is looked up in the settings.
    """
    raw = getattr(settings, setting, None) if given is None else given
    return _examine(setting, {} if raw is None else raw, schema)[1]


def _examine(where: str, given: Any, schema: type[Any]) -> tuple[dict[str, Any], list[str]]:
    if not isinstance(given, Mapping):
        return {}, [f"{where} = {given!r} is of type {type(given).__name__}; allowed: a dict."]
    known = {known.key: known for known in options(schema)}
    values: dict[str, Any] = {}
    found: list[str] = []
    for key, value in given.items():
        if key not in known:
            found.append(_unknown(where, key, list(known)))
            continue
        try:
            values[known[key].field] = known[key].accept(value)
        except Unfit as failure:
            allowed = known[key].allowed
            found.append(f'{where}["{key}"] = {value!r} is {failure}; allowed: {allowed}.')
    return values, found


def _unknown(where: str, key: object, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key).upper(), known, n=1, cutoff=0.5)
    guess = f'Did you mean "{close[0]}"? ' if close else ""
    return f"{where} has an unknown key {key!r}. {guess}Allowed: {', '.join(known)}."
