"""What a setting's type annotation accepts, converts and is called in words."""

from __future__ import annotations

import math
import os
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

__all__ = ["Unfit", "convert", "describe"]

Entry = TypeVar("Entry")


class Unfit(Exception):
    """The value is not of the kind; the text ends the sentence "this value is …"."""


def convert(kind: Any, value: object) -> Any:
    """Return the value as the annotation ``kind`` promises it, or raise :class:`Unfit`.

    An int passes for a float, a str for a ``Path``, a list for a tuple. Nothing else is bent:
    in particular True is no number and ``"2"`` is none either.
    """
    origin = typing.get_origin(kind) or kind
    if origin in (Union, types.UnionType):
        return _any_of(typing.get_args(kind), value)
    return _known(_CONVERTERS, origin)(typing.get_args(kind), value)


def describe(kind: Any) -> str:
    """Say in words what the annotation allows: ``a path or None``."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in arguments)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin is tuple and arguments:
        return f"{_NOUNS[tuple]}, each item {describe(arguments[0])}"
    if origin is Mapping and arguments:
        return f"a dict, each key {describe(arguments[0])}, each value {describe(arguments[1])}"
    return _known(_NOUNS, origin)


def _known(table: Mapping[Any, Entry], kind: Any) -> Entry:
    if kind not in table:
        raise TypeError(f"{kind!r} is no kind of setting; known: {', '.join(_NOUNS.values())}")
    return table[kind]


def _any_of(members: tuple[Any, ...], value: object) -> Any:
    failures = []
    for member in members:
        try:
            return convert(member, value)
        except Unfit as failure:
            if member is not type(None):
                failures.append(failure)
    raise failures[0]


def _exactly(wanted: type) -> Callable[[tuple[Any, ...], object], Any]:
    def check(arguments: tuple[Any, ...], value: object) -> object:
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise Unfit(_of_type(value))
        return value

    return check


def _float(arguments: tuple[Any, ...], value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit(_of_type(value))
    if not math.isfinite(value):
        raise Unfit("not finite")
    return float(value)


def _path(arguments: tuple[Any, ...], value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise Unfit(_of_type(value))
    if not os.fspath(value):
        raise Unfit("empty")
    return Path(value)


def _literal(choices: tuple[Any, ...], value: object) -> object:
    if not any(choice == value and type(choice) is type(value) for choice in choices):
        raise Unfit("not one of these")
    return value


def _mapping(arguments: tuple[Any, ...], value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise Unfit(_of_type(value))
    key_kind, value_kind = arguments or (Any, Any)
    return types.MappingProxyType(
        {_item(key_kind, key): _item(value_kind, item) for key, item in value.items()}
    )


def _tuple(arguments: tuple[Any, ...], value: object) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise Unfit(_of_type(value))
    return tuple(_item(arguments[0] if arguments else Any, item) for item in value)


def _item(kind: Any, value: object) -> Any:
    try:
        return convert(kind, value)
    except Unfit as failure:
        raise Unfit(f"unfit, since {value!r} in it is {failure}") from None


def _of_type(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


_NOUNS: dict[Any, str] = {
    Any: "anything",
    bool: "True or False",
    int: "an integer",
    float: "a number",
    str: "a string",
    Path: "a path",
    type(None): "None",
    Mapping: "a dict",
    tuple: "a list or tuple",
    Literal: "one of a few values",
}

_CONVERTERS: dict[Any, Callable[[tuple[Any, ...], object], Any]] = {
    Any: lambda arguments, value: value,
    bool: _exactly(bool),
    int: _exactly(int),
    float: _float,
    str: _exactly(str),
    Path: _path,
    type(None): _exactly(type(None)),
    Mapping: _mapping,
    tuple: _tuple,
    Literal: _literal,
}
