"""What other apps have a node's processes do: to announce a change, to join, to leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from nothing_shared.node.change import Change
from nothing_shared.node.intents import Overdue

if TYPE_CHECKING:
    from nothing_shared.node.process import Node

__all__ = ["Announcer", "on_announce", "on_close", "on_open", "on_orphan", "on_stranger"]

Announcer = Callable[["Node", Change], None]
"""Tells other nodes of a change; raises if it can't, which leaves the intent standing."""

Hook = Callable[["Node"], None]
Registered = TypeVar("Registered")

announcers: list[Announcer] = []
openers: list[Hook] = []
closers: list[Hook] = []
introducers: list[Hook] = []
session_checks: list[Callable[[Overdue], bool]] = []


def on_announce(announcer: Announcer) -> None:
    """Register who carries changes to other nodes."""
    _register(announcers, announcer)


def on_open(opener: Hook) -> None:
    """Register what each process does when it joins its node, before it writes anything."""
    _register(openers, opener)


def on_close(closer: Hook) -> None:
    """Register what each process does when it leaves its node in an orderly way."""
    _register(closers, closer)


def on_stranger(introducer: Hook) -> None:
    """Register what a node does before it writes, where others may have stopped waiting to hear it."""
    _register(introducers, introducer)


def on_orphan(check: Callable[[Overdue], bool]) -> None:
    """Register a test for whether a dead writer's database session may still commit.

    It is called in a thread of its own, where it may ask the database; raising means that it may.
    """
    _register(session_checks, check)


def _register(hooks: list[Registered], hook: Registered) -> None:
    if hook not in hooks:
        hooks.append(hook)
